/** Lists the tests that had to be run again, where any were: each is a test to be mended. */
module.exports = class {
  onRunComplete(_contexts, { testResults }) {
    const again = testResults.flatMap(({ testFilePath, testResults: tests }) =>
      tests
        .filter(({ invocations = 1, status }) => invocations > 1 && status === 'passed')
        .map(({ fullName }) => `${testFilePath}: ${fullName}`),
    );
    if (again.length > 0) console.log(`passed only when run again:\n${again.join('\n')}`);
  }
};
