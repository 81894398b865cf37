import { EMPTY, NEVER, ReplaySubject, Subject, VirtualTimeScheduler, defer, of, throwError } from 'rxjs';
import { PipelineClosed } from '../../../pipeline/api';
import type { Demand, StoredJob } from '../../../pipeline/demand';
import { lifeOf, type LifeParts } from '../../../pipeline/instance/life';
import { StoreUnavailable } from '../../../sinks/job-store';
import { jobBoard, type Preview } from '../../../streams/board/board';
import { jobOf } from '../../../streams/job/job';
import type { JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import { watchers } from '../../../streams/maps/keyed-watchers';
import { aState } from '../../streams/job/a-job';

/** A life whose parts note what is done to them. */
function aLife({ isAway = false } = {}) {
  const done: string[] = [];
  const told: string[] = [];
  const tell = (what: string, promptId: string) => void told.push(`${what} ${promptId}`);
  const reports: unknown[] = [];
  const events: string[] = [];
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
    posting: {
      due$: NEVER,
      takenUp: ({ state }: StoredJob) => of({ tag: 'opened', job: jobOf(state) }),
      stop: (promptId: string) => of({ tag: 'brokeHere', state: aState({ promptId }), error: 'a mistake', at: 1 }),
      again: () => EMPTY,
    },
    board: jobBoard(defaultTiming),
    local: { states, previews: watchers<Preview>() },
    pictures: { keep: () => undefined, drained$: EMPTY, close: () => undefined },
    durations: { kept$: NEVER, learn: () => undefined, flush: () => defer(() => (done.push('durations'), EMPTY)) },
    curves: {
      kept$: NEVER,
      take: ({ promptId, status }: JobState) => tell(`curves of ${status}`, promptId),
      forget: (promptId: string) => tell('curves forgotten', promptId),
      flush: () => noting('curves'),
    },
    keys: {
      renewed: () => EMPTY,
      end: (promptId: string) => tell('key ended', promptId),
      forget: (promptId: string) => tell('key forgotten', promptId),
    },
    writer: {
      drain: () => noting('writes'),
      close: () => done.push('writer'),
      put: ({ promptId, status }: JobState) => tell(`written ${status}`, promptId),
      stored: () => EMPTY,
    },
    store: { mayHaveLost$: NEVER, announce: ({ promptId }: JobState) => tell('announced', promptId) },
    refused$: NEVER,
    closeStore: () => noting('store'),
    stop$: new ReplaySubject<void>(1),
    demand$: NEVER,
    outage$: NEVER,
  };
  const life = lifeOf(parts as unknown as LifeParts, {
    clock: new VirtualTimeScheduler(),
    random: () => 0.5,
    report: (_where, error) => reports.push(error),
    tell: (event) => {
      if (event.tag === 'state') tell('telemetry', event.state.promptId);
      else events.push(event.tag);
    },
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  });
  return { ...life, states, demand$, done, reports, told, events };
}

const IN_ORDER = ['writes', 'curves', 'durations', 'sessions', 'writer', 'store', 'server'];

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
    expect(done).toEqual(IN_ORDER.filter((what) => what !== 'curves'));
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

describe('a change is told to all whom it concerns', () => {
  const takeUp = (promptId: string): Demand => ({
    tag: 'takeUp',
    job: { state: aState({ promptId, status: 'queued' }), workflow: undefined },
  });

  test('a state to watchers, the writer, other instances and metrics; an end ends its key', () => {
    const { demand$, told, states$ } = aLife();
    const seen: string[] = [];
    states$.subscribe(({ promptId, status }) => seen.push(`${promptId} ${status}`));
    demand$.next(takeUp('p'));
    expect(told.splice(0)).toEqual(['telemetry p', 'written queued p', 'announced p', 'curves of queued p']);
    demand$.next({ tag: 'cancel', promptId: 'p' });
    const end = ['written failed p', 'telemetry p', 'key ended p', 'announced p', 'curves of failed p'];
    expect([told, seen]).toEqual([end, ['p queued', 'p failed']]);
  });

  test('that a job is another’s: nothing of it is kept, and its watchers look for it there', () => {
    const { demand$, told, states, events } = aLife();
    demand$.next(takeUp('p'));
    told.length = 0;
    const watched: string[] = [];
    states.changes('p').subscribe({ complete: () => watched.push('let go') });
    demand$.next({ tag: 'letGo', promptId: 'p' });
    expect([told, watched, events]).toEqual([['curves forgotten p', 'key forgotten p'], ['let go'], ['released']]);
  });
});

test('its end is told to metrics once all is closed, and who calls meanwhile is refused', async () => {
  const { close, run, events, done } = aLife();
  const closing = close();
  await expect(run(EMPTY)).rejects.toThrow(PipelineClosed);
  await closing;
  expect([events, done]).toEqual([['closed'], IN_ORDER]);
});
