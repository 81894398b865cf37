import { EMPTY, NEVER, ReplaySubject, Subject, VirtualTimeScheduler, defer, throwError } from 'rxjs';
import { PipelineClosed } from '../../../pipeline/api';
import type { Demand } from '../../../pipeline/demand';
import { lifeOf, type LifeParts } from '../../../pipeline/instance/life';
import { StoreUnavailable } from '../../../sinks/job-store';
import { jobBoard, type Preview } from '../../../streams/board/board';
import type { JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import { watchers } from '../../../streams/maps/keyed-watchers';

/** A life whose parts note what is done to them. */
function aLife({ isAway = false } = {}) {
  const done: string[] = [];
  const reports: unknown[] = [];
  const demand$ = new Subject<Demand>();
  const noting = (what: string) =>
    defer(() => {
      done.push(what);
      return isAway ? throwError(() => new StoreUnavailable('away')) : EMPTY;
    });
  const states = watchers<JobState>();
  const parts = {
    servers: [
      { url: 'http://one', answeredAt: () => 0, look: () => EMPTY, close: () => Promise.resolve(done.push('server')) },
    ],
    sessions: { opened$: NEVER, demand$, release: () => noting('sessions') },
    posting: { due$: NEVER, takenUp: () => EMPTY, stop: () => EMPTY, again: () => EMPTY },
    board: jobBoard(defaultTiming),
    local: { states, previews: watchers<Preview>() },
    pictures: { keep: () => undefined, drained$: EMPTY, close: () => undefined },
    durations: { kept$: NEVER, learn: () => undefined, flush: () => defer(() => (done.push('durations'), EMPTY)) },
    curves: { kept$: NEVER, flush: () => EMPTY },
    keys: { renewed: () => EMPTY, forget: () => undefined },
    writer: { drain: () => noting('writes'), close: () => done.push('writer') },
    store: { mayHaveLost$: NEVER },
    closeStore: () => noting('store'),
    stop$: new ReplaySubject<void>(1),
    demand$: NEVER,
    outage$: NEVER,
  };
  const life = lifeOf(parts as unknown as LifeParts, {
    clock: new VirtualTimeScheduler(),
    random: () => 0.5,
    report: (_where, error) => reports.push(error),
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  });
  return { ...life, states, demand$, done, reports };
}

const IN_ORDER = ['writes', 'durations', 'sessions', 'writer', 'store', 'server'];

describe('[R15] a mistake outside any job', () => {
  test('ends the pipeline, which tells it once all is written, given back and closed', async () => {
    const { closed, demand$, done, isOver, run } = aLife();
    const mistake = new TypeError('undefined is not a function');
    demand$.error(mistake);
    expect(await closed).toBe(mistake);
    expect(done).toEqual(IN_ORDER);
    expect(isOver()).toBe(true);
    await expect(run(EMPTY)).rejects.toThrow(PipelineClosed);
  });

  test('ends all watching, and is not the watchers’ error', async () => {
    const { closed, demand$, states } = aLife();
    const seen: string[] = [];
    states.changes('job-1').subscribe({ error: () => seen.push('error'), complete: () => seen.push('complete') });
    demand$.error(new TypeError('a mistake'));
    await closed;
    expect(seen).toEqual(['complete']);
  });

  test('is told as an Error, whatever was thrown', async () => {
    const { closed, demand$ } = aLife();
    const word: unknown = 'a word';
    demand$.error(word);
    expect(await closed).toEqual(new Error('a word'));
  });

  test('[R12] is told where the store is away too, whose trouble is reported and is not the end’s', async () => {
    const { closed, demand$, done, reports } = aLife({ isAway: true });
    const mistake = new TypeError('a mistake');
    demand$.error(mistake);
    expect(await closed).toBe(mistake);
    expect(done).toEqual(IN_ORDER);
    expect(reports).toHaveLength(3);
    for (const trouble of reports) expect(trouble).toBeInstanceOf(StoreUnavailable);
  });
});

test('a pipeline that is closed ends without an error, once, however often it is closed', async () => {
  const { close, closed, done } = aLife();
  await Promise.all([close(), close()]);
  expect(await closed).toBeUndefined();
  expect(done).toEqual(IN_ORDER);
});
