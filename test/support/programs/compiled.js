#!/usr/bin/env node
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { wrap } = require('node:module');
const { setFlagsFromString } = require('node:v8');
const { Script, constants } = require('node:vm');

/**
 * Stands in the place of a service that is started often, which is beside it as `<name>.script.js`, and runs it with what V8
 * compiled of it before, where that was kept. With `KEEP_COMPILED` it ends it as soon as it listens, and keeps what was
 * compiled until then: of all that it called, not only what lies open.
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
if (process.env['KEEP_COMPILED']) {
  // What was kept the time before must be of use, or every service compiles itself.
  if (compiled.cachedDataRejected) throw new Error(`V8 does not take ${kept}`);
  const { write } = process.stdout;
  process.stdout.write = (...args) => {
    process.kill(process.pid, 'SIGTERM');
    return write.apply(process.stdout, args);
  };
  process.once('exit', () => {
    // The service sets this as it starts, and V8 takes nothing that was compiled under other flags than it has then.
    setFlagsFromString('--heap-growing-percent=0');
    writeFileSync(kept, compiled.createCachedData());
  });
}
compiled.runInThisContext().call(exports, exports, require, module, __filename, __dirname);
