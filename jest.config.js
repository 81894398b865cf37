const { availableParallelism } = require('node:os');

const base = {
  testEnvironment: '<rootDir>/test/support/jest/environment.js',
  runtime: '<rootDir>/test/support/jest/runtime.js',
  roots: ['<rootDir>/test'],
  transform: {
    '^.+\\.(ts|js)$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  setupFilesAfterEnv: ['<rootDir>/test/support/jest/retry-in-ci.ts', '<rootDir>/test/support/jest/no-leaks.ts'],
};

/** Nothing but our code and virtual time: seconds, on every save. */
const unit = [
  'test/streams/**',
  'test/sources/codecs/**',
  'test/sources/frames/**',
  'test/sources/server-address.spec.ts',
  'test/sinks/{codecs/job-state.codec,job-workflows}.spec.ts',
  'test/sinks/redis/url.spec.ts',
  'test/pipeline/{instance/end,posting/choose-server,reads/reads,submit/{idempotent-submit,remembered-keys,submissions}}.spec.ts',
  'test/gateway/main/settings/**',
  'test/gateway/admission/{auth,origin-policy}.spec.ts',
  'test/gateway/wire/public-job.spec.ts',
  'test/gateway/sockets/encoded-state.spec.ts',
  'test/gateway/sockets/send-queue/**',
  'test/gateway/webhooks/{address-policy,delivery,fair-queue,one-store,remembered-hooks}.spec.ts',
  'test/gateway/dashboard/model/**',
  'test/project/ops/{compose,kubernetes}.spec.ts',
  'test/project/scripts/recording/recording.codec.spec.ts',
];
/** Our processes, killed, and browsers. */
const system = [
  'test/system/**',
  'test/gateway/{main,dashboard}/**',
  'test/gateway/{client/browser,http/outputs/video,wire/secrets}.spec.ts',
];
/** A minute of random troubles: `npm run test:faults`. */
const faults = ['test/system/faults/faults.spec.ts'];

const specs = (globs) => globs.map((glob) => `${__dirname}/${glob.endsWith('**') ? `${glob}/*.spec.ts` : glob}`);
const needing = (setup) => ({ globalSetup: `<rootDir>/test/support/jest/${setup}.ts` });
const except = (globs) => specs(globs).map((glob) => `!${glob}`);

/** @type {import('jest').Config} */
module.exports = {
  projects: [
    { ...base, displayName: 'unit', testMatch: specs(unit) },
    // One outside thing each: ComfyUI, Redis, a file, sockets. Whatever is neither of the others.
    {
      ...base,
      ...needing('global-setup'),
      displayName: 'edges',
      testMatch: [...specs(['test/**']), ...except([...unit, ...system])],
    },
    {
      ...base,
      ...needing('global-setup-system'),
      displayName: 'system',
      testMatch: [...specs(system), ...except([...unit, ...faults])],
    },
    { ...base, ...needing('global-setup'), displayName: 'faults', testMatch: specs(faults) },
  ],
  // For machines that are busy with much else: what a test waits for ends it, and `until` gives up before this.
  testTimeout: 240_000,
  // Most tests wait for sockets and processes, so two cores carry ten; each worker more costs 2 s of a processor to get warm.
  maxWorkers: availableParallelism() * 5,
  reporters: ['default', '<rootDir>/test/support/jest/retried.js'],
  testSequencer: '<rootDir>/test/support/jest/longest-first.js',
};
