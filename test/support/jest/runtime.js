const { createRequire } = require('node:module');
const { dirname, isAbsolute } = require('node:path');
const { compileFunction } = require('node:vm');
const { default: Runtime } = require('jest-runtime');

/** Jest's own, and what adds to its `expect` and hooks when it is loaded, belong to one spec. */
const LIBRARY = /[\\/]node_modules[\\/](?!jest|@jest|expect[\\/])/;

/** What a worker has compiled so far, by file. */
const compiled = new Map();
/** Where it has found what, by the folder that asked. */
const resolved = new Map();

/**
 * Loads each library once a worker, as Node does, and not once a spec; and compiles each file of ours once a worker, to be
 * run anew for each spec. Both want all specs in one realm (`environment.js`).
 */
module.exports = class extends Runtime {
  constructor(...args) {
    super(...args);
    const parameters = this.executor.injectedModuleParameters;
    this.executor.compile = (source, filename) => {
      const known = compiled.get(filename);
      if (known?.source === source) return known.run;
      const run = compileFunction(source, parameters, { filename });
      compiled.set(filename, { source, run });
      return run;
    };
  }

  requireModuleOrMock(from, name) {
    const library = libraryOf(from, name);
    return library === undefined ? super.requireModuleOrMock(from, name) : require(library);
  }
};

const isFile = (name) => name.startsWith('.') || isAbsolute(name);

/** The file of a library that a file of ours asks for; of Node's own modules and of our files, none. */
function libraryOf(from, name) {
  if (isFile(name)) return undefined;
  const asked = `${dirname(from)} ${name}`;
  const file = resolved.get(asked) ?? createRequire(from).resolve(name);
  resolved.set(asked, file);
  return LIBRARY.test(file) ? file : undefined;
}
