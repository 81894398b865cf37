const { AsyncLocalStorage } = require('node:async_hooks');
const { setFlagsFromString } = require('node:v8');
const { ModernFakeTimers } = require('@jest/fake-timers');
const { ModuleMocker } = require('jest-mock');

/**
 * V8 takes a function for hot, and compiles it anew, after a seventh of that. Most of what a spec calls it calls too seldom for
 * that to pay: a sixth of the processor's time went into compiling.
 */
setFlagsFromString('--interrupt-budget=1000000');
/** By default V8 marks a heap of 60 MB anew each time it has grown by a fifth: garbage took a sixth of the processor's time. */
setFlagsFromString('--heap-growing-percent=200');

const own = (object) =>
  new Map(Reflect.ownKeys(object).map((key) => [key, Object.getOwnPropertyDescriptor(object, key)]));

/** What follows its value through every promise of the process, from its first use on. */
const following = new Set();
for (const name of ['run', 'enterWith']) {
  const own = AsyncLocalStorage.prototype[name];
  AsyncLocalStorage.prototype[name] = function (...args) {
    following.add(this);
    return own.apply(this, args);
  };
}

/**
 * Runs specs in Node's own realm. Jest's usual one is made anew for each spec: each global name is then looked up through a
 * proxy, and no library can be shared between specs, since what it makes is no `instanceof` what they know. What a spec puts
 * into the global object, or puts in the place of what was there, goes when it ends.
 */
module.exports = class {
  global = globalThis;
  /** Whether the spec has tests that run at the same time. */
  isConcurrent = false;
  moduleMocker = new ModuleMocker(globalThis);
  // Jest's older kind, which nothing uses.
  fakeTimers = null;
  fakeTimersModern;
  #before = own(globalThis);
  #exit = process.exit;

  constructor({ projectConfig }) {
    this.fakeTimersModern = new ModernFakeTimers({ config: projectConfig, global: globalThis });
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  // Jest insists on one; `runtime.js` compiles without it.
  getVmContext() {
    return globalThis;
  }

  handleTestEvent(event) {
    if (event.name === 'add_test' && event.concurrent) this.isConcurrent = true;
  }

  async setup() {
    // Jest asks for a hundred lines of each stack, which every error of a library then pays for.
    Error.stackTraceLimit = 20;
  }

  async teardown() {
    this.fakeTimersModern.dispose();
    this.moduleMocker.restoreAllMocks();
    // Jest wraps it for each spec.
    process.exit = this.#exit;
    // A library that one spec has used, such as the browser's, would make each promise dearer for all that come.
    for (const each of following) each.disable();
    following.clear();
    // What cannot be taken away, such as undici's dispatcher, stays.
    for (const key of own(globalThis).keys()) if (!this.#before.has(key)) Reflect.deleteProperty(globalThis, key);
    for (const [key, was] of this.#before) {
      const is = Object.getOwnPropertyDescriptor(globalThis, key);
      if (is?.value !== was.value || is?.get !== was.get) Reflect.defineProperty(globalThis, key, was);
    }
  }
};
