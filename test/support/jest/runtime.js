const asyncHooks = require('node:async_hooks');
const { statSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, isAbsolute, join, relative, sep } = require('node:path');
const { compileFunction } = require('node:vm');
const { default: Runtime } = require('jest-runtime');

/** Jest's own, and what adds to its `expect` and hooks when it is loaded, belong to one spec. */
const LIBRARY = /[\\/]node_modules[\\/](?!jest|@jest|expect[\\/])/;
/** What ships, at the root. */
const SHIPPED = new Set(['index.ts', 'pipeline', 'streams', 'sources', 'sinks', 'gateway', 'compat']);
const PARAMETERS = ['module', 'exports', 'require', '__dirname', '__filename'];
const ROOT = join(__dirname, '../../..');

/** What a worker has compiled so far, by file. */
const compiled = new Map();
/** Where it has found what, by the folder that asked. */
const resolved = new Map();
/** What ships and has been loaded, by file. */
const shipped = new Map();
/** Where Jest keeps the source map of each of them: an error tells the line as written. */
const sourceMaps = new Map();
/** The spec at work: what ships and is asked for late is loaded by it. */
let runtime;

/**
 * Loads each library, and each file that ships, once a worker, as a process of ours does, and not once a spec: what V8 learned
 * about our code in one spec serves the next. Compiles each file of the tests once a worker, to be run anew for each spec. All
 * of it wants all specs in one realm (`environment.js`).
 */
module.exports = class extends Runtime {
  #asyncHooks;

  constructor(...args) {
    super(...args);
    runtime = this;
    forgetIfEdited();
    // Jest asks for its map once, before it loads anything, and fills it as it loads.
    for (const [file, map] of sourceMaps) this.getSourceMaps().set(file, map);
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
    const file = this.#found(from, name);
    if (file === undefined) return super.requireModuleOrMock(from, name);
    return isShipped(file) ? this.load(file) : require(file);
  }

  load(file) {
    const known = shipped.get(file);
    if (known !== undefined) return known.module.exports;
    const module = { exports: {} };
    shipped.set(file, { module, editedAt: editedAt(file) });
    try {
      const source = this.transformCache.transform(file);
      sourceMaps.set(file, this.getSourceMaps().get(file));
      const run = compileFunction(source, PARAMETERS, { filename: file });
      const ask = (name) => runtime.requireModuleOrMock(file, name);
      run.call(module.exports, module, module.exports, ask, dirname(file), file);
    } catch (error) {
      shipped.delete(file);
      throw error;
    }
    return module.exports;
  }

  /** The file of a library, or one that ships, that a file asks for; of Node's own modules and of the tests' files, none. */
  #found(from, name) {
    const asked = `${dirname(from)} ${name}`;
    if (!resolved.has(asked)) {
      const file = isFile(name) ? this._resolution.resolveCjs(from, name) : createRequire(from).resolve(name);
      resolved.set(asked, LIBRARY.test(file) || isShipped(file) ? file : undefined);
    }
    return resolved.get(asked);
  }
};

const isFile = (name) => name.startsWith('.') || isAbsolute(name);
const isShipped = (file) => file.endsWith('.ts') && SHIPPED.has(relative(ROOT, file).split(sep)[0]);
const editedAt = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs;

/** `jest --watch` runs specs again in one process: what was edited meanwhile is loaded anew, and what has it in its hands too. */
function forgetIfEdited() {
  for (const [file, known] of shipped) if (known.editedAt !== editedAt(file)) return shipped.clear();
}

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
