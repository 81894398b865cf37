import { lastValueFrom } from 'rxjs';
import { withDeadline } from '../../../streams/operators/with-deadline';

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

afterEach(() => jest.useRealTimers());

test('gives what the work gives, whose signal is left alone after that', async () => {
  jest.useFakeTimers();
  const signals: AbortSignal[] = [];
  const given = lastValueFrom(
    withDeadline(1_000, (signal) => {
      signals.push(signal);
      return Promise.resolve('a body to be read');
    }),
  );
  expect(await given).toBe('a body to be read');
  jest.advanceTimersByTime(2_000);
  expect(signals).toMatchObject([{ aborted: false }]);
  expect(jest.getTimerCount()).toBe(0);
});

test('aborts with a TimeoutError what takes longer', async () => {
  jest.useFakeTimers();
  const given = lastValueFrom(withDeadline(1_000, untilAborted));
  jest.advanceTimersByTime(1_000);
  await expect(given).rejects.toMatchObject({ name: 'TimeoutError' });
});

test('aborts what nobody waits for any more, and leaves no timer', () => {
  jest.useFakeTimers();
  const signals: AbortSignal[] = [];
  withDeadline(1_000, (signal) => {
    signals.push(signal);
    return untilAborted(signal);
  })
    .subscribe({ error: () => undefined })
    .unsubscribe();
  expect(signals).toMatchObject([{ aborted: true }]);
  expect(jest.getTimerCount()).toBe(0);
});

test('passes on what went wrong', async () => {
  await expect(lastValueFrom(withDeadline(1_000, () => Promise.reject(new Error('gone'))))).rejects.toThrow('gone');
});
