import rxjsX from 'eslint-plugin-rxjs-x';
import tseslint from 'typescript-eslint';

const time = ['Date', 'setTimeout', 'setInterval', 'performance', 'process', 'console'].map((name) => ({
  name,
  message: 'streams/ is pure: take time from a scheduler and everything else as an argument.',
}));

export default tseslint.config(
  { ignores: ['**/dist/', 'node_modules/', '**/*.js', '**/*.cjs', '**/*.mjs', '**/*.mts'] },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [...tseslint.configs.strictTypeChecked, rxjsX.configs.strict],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Ours is `$` on observable values and not on functions, which the rule cannot tell apart in arrow functions.
      'rxjs-x/finnish': 'off',
      // An error that nobody catches is a bug of ours, and is to end the process.
      'rxjs-x/no-ignored-error': 'off',
      // The streams we take one value of are those that emit one by contract.
      'rxjs-x/no-ignored-default-value': 'off',
      'rxjs-x/throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
    },
  },
  {
    files: ['streams/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...time],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Jitter comes in as a function.' },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      'rxjs-x/no-ignored-subscription': 'off',
      'rxjs-x/no-ignored-error': 'off',
    },
  },
  {
    // A file holds one idea, a function one act; what a spec describes is no function.
    files: ['**/*.ts', '**/*.tsx'],
    rules: { 'max-lines': ['error', { max: 250 }] },
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    ignores: ['**/*.spec.ts', 'test/sinks/contracts/**'],
    rules: { 'max-lines-per-function': ['error', { max: 60 }] },
  },
);
