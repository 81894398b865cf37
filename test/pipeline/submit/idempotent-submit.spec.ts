import { EMPTY, VirtualTimeScheduler, defer, of, throwError, type Observable } from 'rxjs';
import { KeyReused, KeySpent } from '../../../pipeline/api';
import { idempotentSubmit, type Identity } from '../../../pipeline/submit/idempotent-submit';
import { STATE_TTL_S, StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';

const ONCE = { key: 'ann k', body: 'digest' };

/** Instances on one store, which keeps keys; jobs are there for as long as `jobs` has them. */
function aStore() {
  const clock = new VirtualTimeScheduler();
  const keys = new Map<string, string>();
  const jobs = new Map<string, JobState>();
  const submitted: Identity[] = [];
  const how = { away: false, refusing: false };
  const store: Pick<JobStore, 'reserve' | 'amend'> = {
    reserve: (key, text) =>
      defer(() => {
        if (how.away) return throwError(() => new StoreUnavailable('away'));
        keys.set(key, keys.get(key) ?? text);
        return of(keys.get(key)!);
      }),
    amend: (key, text) => defer((): Observable<never> => (keys.set(key, text), EMPTY)),
  };
  const instance = () => {
    const once = idempotentSubmit({
      store: store as JobStore,
      get: (promptId) => Promise.resolve(jobs.get(promptId)),
      keys: { of: () => undefined, note: () => undefined },
      sight: { caughtUp: () => EMPTY },
      clock,
      attempted: (work$) => work$,
    });
    return (given = ONCE) =>
      once(given, (as) => {
        submitted.push(as);
        if (how.refusing) return Promise.reject(new Error('no server takes it'));
        const state = aState({ promptId: as.promptId, startedAt: as.at });
        jobs.set(as.promptId, state);
        return Promise.resolve(state);
      });
  };
  const pass = (ms: number): void => {
    clock.schedule(() => 'now', ms);
    clock.flush();
  };
  return { instance, keys, jobs, submitted, how, pass };
}

test('the same again is the same job, through any instance, and was submitted once', async () => {
  const { instance, submitted } = aStore();
  const [here, there] = [instance(), instance()];
  const job = await here();
  expect([await here(), await there()]).toEqual([job, job]);
  expect(submitted.map(({ promptId }) => promptId)).toEqual([job.promptId]);
});

test('while its job is known it is that as it is by now', async () => {
  const { instance, jobs } = aStore();
  const submit = instance();
  const { promptId } = await submit();
  const now = aState({ promptId, status: 'processing', seq: 7 });
  jobs.set(promptId, now);
  expect(await submit()).toBe(now);
});

test('the same at the same time shares one submit', async () => {
  const { instance, submitted } = aStore();
  const submit = instance();
  const jobs = await Promise.all([submit(), submit(), submit()]);
  expect(new Set(jobs.map(({ promptId }) => promptId)).size).toBe(1);
  expect(submitted).toHaveLength(1);
});

test('another request under the key is refused; under another key it is another job', async () => {
  const { instance, submitted } = aStore();
  const submit = instance();
  const job = await submit();
  await expect(submit({ ...ONCE, body: 'another' })).rejects.toThrow(KeyReused);
  expect((await submit({ ...ONCE, key: 'bob k' })).promptId).not.toBe(job.promptId);
  expect(submitted).toHaveLength(2);
});

test('what somebody else wrote under the key stands for no request of ours', async () => {
  const { instance, keys, submitted } = aStore();
  for (const text of ['no JSON', '{}', '{"promptId":"p","at":"yesterday","body":"digest"}']) {
    keys.set(ONCE.key, text);
    await expect(instance()()).rejects.toThrow(KeyReused);
  }
  expect(submitted).toEqual([]);
});

test('a submit that came to nothing is made good under the same id and time', async () => {
  const { instance, submitted, how, pass } = aStore();
  const submit = instance();
  how.refusing = true;
  await expect(submit()).rejects.toThrow('no server takes it');
  pass(1_000);
  how.refusing = false;
  const [{ promptId, at }] = submitted as [Identity];
  expect(await submit()).toMatchObject({ promptId, startedAt: at });
  expect(submitted[1]).toMatchObject({ promptId, at });
});

test('a job that was submitted and is forgotten is answered as it was, however late', async () => {
  const { instance, jobs, submitted, pass } = aStore();
  const job = await instance()();
  jobs.clear();
  pass(2 * STATE_TTL_S * 1000);
  expect(await instance()()).toEqual(job);
  expect(submitted).toHaveLength(1);
});

test('a key whose job may have been run and forgotten is spent; until then it is made good', async () => {
  const { instance, submitted, how, pass } = aStore();
  how.refusing = true;
  await expect(instance()()).rejects.toThrow('no server takes it');
  pass((STATE_TTL_S - 200) * 1000);
  await expect(instance()()).rejects.toThrow('no server takes it');
  pass(1);
  await expect(instance()()).rejects.toThrow(KeySpent);
  expect(submitted).toHaveLength(2);
});

test('where no key can be read nothing is submitted', async () => {
  const { instance, submitted, how } = aStore();
  how.away = true;
  await expect(instance()()).rejects.toThrow(StoreUnavailable);
  expect(submitted).toEqual([]);
});
