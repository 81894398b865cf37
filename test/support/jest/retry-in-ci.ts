/**
 * In CI a test that fails is run once more, its first errors shown; the closing list names it. A second failure ends the
 * build. Elsewhere nothing is run again.
 */
if (process.env['CI'] === 'true') jest.retryTimes(1, { logErrorsBeforeRetry: true });
