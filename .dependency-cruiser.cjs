/** The directions of docs/architecture.md: compat, gateway → pipeline → sources, sinks → streams → nothing of ours. */
/** An example that brings its own ComfyUI and Redis, and ends them: the tests have both. */
const lora = '^examples/lora-training/stage[.]ts$';
const composition = 'pipeline/|index[.]ts';
const npm = (names) => `node_modules/(${names})/`;
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'streams-know-nothing-of-ours',
      severity: 'error',
      from: { path: '^streams/' },
      to: { path: '^(?!streams/|node_modules/)' },
    },
    {
      name: 'streams-import-rxjs-and-fp-ts-only',
      severity: 'error',
      from: { path: '^streams/' },
      to: { path: 'node_modules/', pathNot: npm('rxjs|fp-ts') },
    },
    { name: 'streams-use-no-node', severity: 'error', from: { path: '^streams/' }, to: { dependencyTypes: ['core'] } },
    {
      name: 'sources-know-streams-only',
      severity: 'error',
      from: { path: '^sources/' },
      to: { path: `^(sinks/|gateway/|test/|${composition})` },
    },
    {
      name: 'sinks-know-streams-only',
      severity: 'error',
      from: { path: '^sinks/' },
      to: { path: `^(sources/|gateway/|test/|${composition})` },
    },
    {
      name: 'pipeline-knows-no-gateway',
      severity: 'error',
      from: { path: `^(${composition})` },
      to: { path: '^(gateway|test)/' },
    },
    {
      name: 'gateway-goes-through-the-pipeline',
      severity: 'error',
      from: { path: '^gateway/', pathNot: '^gateway/cli/main' },
      to: { path: '^(test|sources)/' },
    },
    {
      name: 'dashboard-needs-the-client-and-types-only',
      severity: 'error',
      from: { path: '^gateway/dashboard/', pathNot: 'vite[.]config' },
      to: {
        path: '^(?!gateway/(dashboard|client)/|gateway/wire/node-history|streams/|node_modules/)',
        dependencyTypesNot: ['type-only', 'core'],
      },
    },
    {
      name: 'dashboard-model-is-pure',
      severity: 'error',
      from: { path: '^gateway/dashboard/model/' },
      to: { path: '^gateway/dashboard/(live|view)/|node_modules/(preact|@preact|rxjs)/' },
    },
    {
      name: 'nobody-needs-the-dashboard',
      severity: 'error',
      from: { pathNot: '^(gateway/dashboard|test)/' },
      to: { path: '^gateway/dashboard/' },
    },
    {
      name: 'compat-stands-on-the-public-api',
      severity: 'error',
      from: { path: '^compat/' },
      to: { path: '^(?!compat/|index[.]ts$|node_modules/)', dependencyTypesNot: ['core'] },
    },
    {
      name: 'nobody-needs-compat',
      severity: 'error',
      from: { pathNot: '^(compat|test|examples)/' },
      to: { path: '^compat/' },
    },
    {
      name: 'examples-show-the-public-api',
      severity: 'error',
      from: { path: '^examples/', pathNot: lora },
      to: {
        path: '^(?!examples/|index[.]ts$|compat/index[.]ts$|gateway/client/index[.]ts$|node_modules/)',
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'nothing-ships-tests',
      severity: 'error',
      from: { pathNot: ['^(test|bench|scripts)/', lora] },
      to: { path: '^(test|bench|scripts)/' },
    },
    {
      name: 'io-ts-only-in-codecs',
      severity: 'error',
      from: { path: '^(streams|sources|sinks|gateway|pipeline)', pathNot: '(\\.codec|settings)\\.ts$' },
      to: { path: npm('io-ts') },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    exclude: '(^|/)dist/',
  },
};
