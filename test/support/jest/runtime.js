const asyncHooks = require('node:async_hooks');
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
  #asyncHooks;

  constructor(...args) {
    super(...args);
    this.#asyncHooks = { ...asyncHooks, AsyncLocalStorage: testAtWork(this._environment) };
    const parameters = this.executor.injectedModuleParameters;
    this.executor.compile = (source, filename) => {
      const known = compiled.get(filename);
      if (known?.source === source) return known.run;
      const run = compileFunction(source, parameters, { filename });
      compiled.set(filename, { source, run });
      return run;
    };
  }

  /** What Jest itself asks for. */
  requireInternalModule(from, name) {
    return name === 'node:async_hooks' ? this.#asyncHooks : super.requireInternalModule(from, name);
  }

  requireModuleOrMock(from, name) {
    const library = libraryOf(from, name);
    return library === undefined ? super.requireModuleOrMock(from, name) : require(library);
  }
};

/**
 * Where Jest keeps which test or hook is at work. Tests that run one after the other need a variable; Jest's own follows each
 * promise, which triples what a promise costs, and is left to specs with tests at the same time.
 */
const testAtWork = (environment) =>
  class extends asyncHooks.AsyncLocalStorage {
    #now;

    run(context, work) {
      if (environment.isConcurrent) return super.run(context, work);
      const before = this.#now;
      this.#now = context;
      return work().finally(() => (this.#now = before));
    }

    getStore() {
      return environment.isConcurrent ? super.getStore() : this.#now;
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
