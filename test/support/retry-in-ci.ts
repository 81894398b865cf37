// Real sockets, processes and seconds on a busy machine: in CI a test that failed is run again, its first errors shown.
if (process.env['CI'] !== undefined) jest.retryTimes(2, { logErrorsBeforeRetry: true });
