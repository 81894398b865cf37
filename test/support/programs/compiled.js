#!/usr/bin/env node
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { wrap } = require('node:module');
const { setFlagsFromString } = require('node:v8');
const { Script, constants } = require('node:vm');

/**
 * Stands in the place of a script that is started often, which is beside it as `<name>.script.js`, and runs it with what V8
 * compiled of it before, where that was kept. With `KEEP_COMPILED` it keeps that itself, as the process ends.
 */
const script = __filename.replace(/js$/, 'script.js');
const kept = `${script}.compiled`;
// What lives for seconds does not pay for what V8 compiles anew where it takes it for hot.
setFlagsFromString('--interrupt-budget=1000000');
const compiled = new Script(wrap(readFileSync(script, 'utf8').replace(/^#!.*/, '')), {
  filename: script,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  ...(existsSync(kept) && { cachedData: readFileSync(kept) }),
});
if (process.env['KEEP_COMPILED']) process.once('exit', () => writeFileSync(kept, compiled.createCachedData()));
compiled.runInThisContext().call(exports, exports, require, module, __filename, __dirname);
