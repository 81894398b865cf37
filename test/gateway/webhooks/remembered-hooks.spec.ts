import { lastValueFrom, Subject, VirtualTimeScheduler, type Observable } from 'rxjs';
import { rememberedHooks } from '../../../gateway/webhooks/remembered-hooks';
import type { Hooks } from '../../../sinks/webhook-queue';
import { bounds } from '../../../streams/bounds';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';
import { memoryHooks } from '../support/webhooks/memory-hooks';
import { isUnavailable } from '../../../sinks/job-store';
import { reportingOutages } from '../../../streams/operators/reporting';

const all = <T>(work$: Observable<T>) => lastValueFrom(work$, { defaultValue: undefined });
const hook = (promptId: string) => ({ promptId, text: `of ${promptId}` });

/** Remembered hooks, of a store that can be emptied. */
function aStore(jobs: Readonly<Record<string, JobState>> = {}, troubles: Readonly<Record<string, Error>> = {}) {
  const clock = new VirtualTimeScheduler();
  const lost$ = new Subject<void>();
  let kept = memoryHooks(clock);
  const behind: Hooks = {
    mayHaveLost$: lost$,
    add: (...given) => kept.add(...given),
    hurry: (...given) => kept.hurry(...given),
    claim: (...given) => kept.claim(...given),
    later: (...given) => kept.later(...given),
    rest: (...given) => kept.rest(...given),
    done: (...given) => kept.done(...given),
  };
  const get = (promptId: string) =>
    promptId in troubles ? Promise.reject(troubles[promptId]!) : Promise.resolve(jobs[promptId]);
  const reports: unknown[] = [];
  const told = reportingOutages('webhooks', (_where, error) => reports.push(error), isUnavailable);
  const hooks = rememberedHooks(behind, get, clock, told);
  hooks.rescued$.subscribe();
  return {
    hooks,
    reports,
    due: async () => ((await all(hooks.claim(bounds.hooks, 1_000_000))) ?? []).map(({ promptId }) => promptId),
    empty: () => (kept = memoryHooks(clock)),
    tell: () => lost$.next(),
    pass: async (ms: number) => {
      clock.maxFrames = clock.frame + ms;
      clock.schedule(() => 'now', ms);
      clock.flush();
      await new Promise(setImmediate);
    },
  };
}

test('what a store that was emptied is told of: the ends at once, what lives to be looked at, nothing of what is no more', async () => {
  const jobs = { live: aState({ status: 'processing' }), ended: aState({ status: 'completed' }) };
  const { hooks, due, empty, tell, pass } = aStore(jobs);
  for (const promptId of ['live', 'ended', 'gone']) await all(hooks.add(hook(promptId), 0));
  empty();
  tell();
  await pass(5_000);
  expect(await due()).toEqual(['ended']);
  await pass(30_000);
  expect(await due()).toEqual(['live']);
});

test('a mistake of ours with one job is reported, and keeps no other from being told of', async () => {
  const mistake = new TypeError('a mistake');
  const { hooks, due, empty, tell, pass, reports } = aStore(
    { ended: aState({ status: 'completed' }) },
    { broken: mistake },
  );
  for (const promptId of ['broken', 'ended']) await all(hooks.add(hook(promptId), 0));
  empty();
  tell();
  await pass(5_000);
  expect([reports, await due()]).toEqual([[mistake], ['ended']]);
});

test('what settles here is kept again before it is hurried', async () => {
  const { hooks, due, empty } = aStore();
  await all(hooks.add(hook('job'), 30_000));
  empty();
  await all(hooks.hurry('job'));
  expect(await due()).toEqual(['job']);
});

test('what is done is remembered no more, and of what is not the newest', async () => {
  const { hooks, due, empty } = aStore();
  await all(hooks.add(hook('oldest'), 0));
  for (let n = 0; n < bounds.hooks; n++) await all(hooks.add(hook(`job-${n}`), 0));
  await all(hooks.done('job-1'));
  empty();
  for (const promptId of ['oldest', 'job-0', 'job-1']) await all(hooks.hurry(promptId));
  expect(await due()).toEqual(['job-0']);
});
