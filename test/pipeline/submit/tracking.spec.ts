import { EMPTY, Subject, lastValueFrom, of, tap, throwError, toArray, type Observable, type SchedulerLike } from 'rxjs';
import { UnknownJob } from '../../../pipeline/api';
import { tracking, type TrackingParts } from '../../../pipeline/submit/tracking';
import { NoAnswer } from '../../../sources/rest/no-answer';
import type { BoardEvent } from '../../../streams/board/board';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../streams/job/a-job';

const found: BoardEvent = { tag: 'found', promptId: 'p', at: 1, place: { tag: 'running' } } as unknown as BoardEvent;
const ended: BoardEvent = { tag: 'ended', promptId: 'p', at: 1 } as unknown as BoardEvent;
const absent: BoardEvent = { tag: 'absent', promptId: 'p', at: 1 } as unknown as BoardEvent;
const away = new NoAnswer('away', false);

/** Servers of which each says of the job what is given, and what came of a call. */
function aSearch(
  says: Readonly<Record<string, readonly BoardEvent[] | Error>>,
  { known, ready$ = EMPTY, run }: { known?: JobState; ready$?: Observable<never>; run?: JobState } = {},
) {
  const asked: string[] = [];
  const begun: BoardEvent[] = [];
  const servers = Object.entries(says).map(([name, answer]) => ({
    name,
    url: `http://${name}`,
    lookUp: () => {
      asked.push(name);
      return answer instanceof Error ? throwError(() => answer) : of(...answer);
    },
  }));
  const parts = {
    choice: { servers, asked: (wanted: string) => servers.find(({ name }) => name === wanted) },
    sessions: { own: (url: string) => `of ${url}`, ready: () => ready$ },
    board: { run: () => (run === undefined ? undefined : { state: run }) },
    reads: { get: () => Promise.resolve(known) },
    run: async (command$: Observable<BoardEvent>) => {
      await lastValueFrom(
        command$.pipe(
          tap((event) => begun.push(event)),
          toArray(),
        ),
      );
    },
  };
  const track = tracking(parts as unknown as TrackingParts, {
    clock: { now: () => 7 } as SchedulerLike,
  });
  return {
    asked,
    begun,
    track: (server?: string) => track('p', { type: 'x', userId: 'ada', ...(server && { server }) }),
  };
}

test.each([
  ['runs or waits', found],
  ['has ended', ended],
])('a job that %s at a server is watched there, with what that said; no other is asked', async (_how, seen) => {
  const { track, asked, begun } = aSearch({ a: [absent], b: [seen], c: [found] });
  const state = await track();
  expect(state).toMatchObject({
    promptId: 'p',
    serverUrl: 'http://b',
    session: 'of http://b',
    via: 'polling',
    startedAt: 7,
  });
  expect([asked, begun]).toMatchObject([
    ['a', 'b'],
    [{ tag: 'opened', job: { state } }, seen],
  ]);
});

test('at a server that is named it is looked for there alone', async () => {
  const { track, asked } = aSearch({ a: [found], b: [absent] });
  await expect(track('b')).rejects.toThrow(UnknownJob);
  expect(asked).toEqual(['b']);
});

test('a server that does not answer is passed over; where no other has the job, it may have it', async () => {
  expect((await aSearch({ a: away, b: [found] }).track()).serverUrl).toBe('http://b');
  await expect(aSearch({ a: away, b: [absent] }).track()).rejects.toBe(away);
  await expect(aSearch({ a: [], b: [absent] }).track()).rejects.toThrow(UnknownJob);
});

test('a mistake of ours is told, and no other server asked', async () => {
  const mistake = new TypeError('a mistake');
  const { track, asked } = aSearch({ a: mistake, b: [found] });
  await expect(track()).rejects.toBe(mistake);
  expect(asked).toEqual(['a']);
});

test('a job that is known, or whose run is, is what it is', async () => {
  const state = aState({ promptId: 'known' });
  for (const known of [{ known: state }, { run: state }]) {
    const { track, asked } = aSearch({ a: [found] }, known);
    expect([await track(), asked]).toEqual([state, []]);
  }
});

test('none is looked for before the sessions are this instance’s', async () => {
  const ready$ = new Subject<never>();
  const { track, asked } = aSearch({ a: [found] }, { ready$ });
  const tracked = track();
  await new Promise(setImmediate);
  expect(asked).toEqual([]);
  ready$.complete();
  await tracked;
  expect(asked).toEqual(['a']);
});
