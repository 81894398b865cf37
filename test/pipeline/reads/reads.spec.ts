import { EMPTY, NEVER, Subject, VirtualTimeScheduler, catchError, defer, of, throwError, type Observable } from 'rxjs';
import { UnknownJob } from '../../../pipeline/api';
import { readsOf } from '../../../pipeline/reads/reads';
import { StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import { InvalidCursor, pageOf } from '../../../sinks/listing/job-page';
import type { WriteBehind } from '../../../sinks/writing/write-behind';
import type { Board } from '../../../streams/board/board';
import type { JobState } from '../../../streams/job/job-state';
import { watchers } from '../../../streams/maps/keyed-watchers';
import { aState } from '../../sinks/a-state';

/** An instance with jobs of its own, states that wait to be written, and a store. */
function aReader() {
  const clock = new VirtualTimeScheduler();
  const here = new Map<string, JobState>();
  const waiting = new Map<string, JobState>();
  const kept = new Map<string, JobState>();
  const feed = new Subject<JobState>();
  const asked: string[] = [];
  const how = { away: false, slow: false, full: false, back: false };
  const local = watchers<JobState>();
  const job = (promptId: string) => {
    const state = here.get(promptId);
    return state && { state };
  };
  const answered = <T>(what: string, answer: () => T): Observable<T> =>
    defer(() => {
      asked.push(what);
      return how.away ? throwError(() => new StoreUnavailable('away')) : of(answer());
    });
  const board = {
    job,
    get jobs() {
      return new Map([...here].map(([promptId, state]) => [promptId, { state }]));
    },
  } as unknown as Board;
  const store = {
    get: (promptId: string) => answered(`get ${promptId}`, () => kept.get(promptId)),
    page: (query: Parameters<JobStore['page']>[0]) => answered('page', () => pageOf([...kept.values()], query)),
    healthy: () => answered('healthy', () => !how.full),
    changes: (promptId: string) => defer(() => (asked.push(`changes ${promptId}`), feed)),
  } as unknown as JobStore;
  const writer = {
    waiting: (promptId: string) => waiting.get(promptId),
    unwritten: () => [...waiting.values()],
    get: (promptId: string) => answered(`get ${promptId}`, () => waiting.get(promptId) ?? kept.get(promptId)),
    stored: () => defer(() => (asked.push('stored'), how.slow ? NEVER : EMPTY)),
  } as unknown as WriteBehind;
  const attempted = <T>(work$: Observable<T>): Observable<T> => work$.pipe(catchError(() => EMPTY));
  const pass = async (ms: number): Promise<void> => {
    clock.maxFrames = clock.frame + ms;
    clock.schedule(() => 'now', ms);
    clock.flush();
    await new Promise(setImmediate);
  };
  return {
    reads: readsOf({ board, local, writer, store, sight: { wasAway: () => how.back }, attempted, clock }),
    here,
    waiting,
    kept,
    feed,
    local,
    asked,
    how,
    pass,
  };
}

describe('a job', () => {
  test('that lives here is told as it is here, once that is stored', async () => {
    const { reads, here, kept, asked } = aReader();
    kept.set('job-1', aState({ progress: 10 }));
    here.set('job-1', aState({ progress: 40, seq: 2 }));
    expect(await reads.get('job-1')).toMatchObject({ progress: 40 });
    expect(asked).toEqual(['stored']);
  });

  test('is not waited for longer than half a second where the store is slow', async () => {
    const { reads, here, how, pass } = aReader();
    how.slow = true;
    here.set('job-1', aState());
    const told: unknown[] = [];
    void reads.get('job-1').then((state) => told.push(state?.promptId));
    await pass(499);
    expect(told).toEqual([]);
    await pass(1);
    expect(told).toEqual(['job-1']);
  });

  test('that is here no more is told as it waits to be written, else as it is stored', async () => {
    const { reads, waiting, kept } = aReader();
    kept.set('job-1', aState({ progress: 90 }));
    expect(await reads.get('job-1')).toMatchObject({ progress: 90 });
    waiting.set('job-1', aState({ status: 'completed', progress: 100, seq: 9 }));
    expect(await reads.get('job-1')).toMatchObject({ status: 'completed' });
    expect(await reads.present('job-1')).toMatchObject({ status: 'completed' });
  });

  test('[R14] that is here and not to be shown asks of the store what one that is nowhere asks, and ends alike', async () => {
    const { reads, here, kept, asked, how } = aReader();
    here.set('job-1', aState());
    kept.set('job-1', aState());
    const nobodys = () => false;
    expect(await reads.get('job-1', nobodys)).toBeUndefined();
    expect(await reads.get('job-2', nobodys)).toBeUndefined();
    expect(asked).toEqual(['get job-1', 'healthy', 'get job-2', 'healthy']);
    how.full = true;
    await expect(reads.get('job-1', nobodys)).rejects.toThrow(StoreUnavailable);
    await expect(reads.get('job-2', nobodys)).rejects.toThrow(StoreUnavailable);
    how.away = true;
    await expect(reads.get('job-1', nobodys)).rejects.toThrow(StoreUnavailable);
    await expect(reads.get('job-2', nobodys)).rejects.toThrow(StoreUnavailable);
  });
});

describe('a list', () => {
  const at = (startedAt: number, own: Partial<JobState> = {}) =>
    aState({ promptId: `job-${startedAt}`, startedAt, ...own });

  test('has each job as it is now, and what is not stored yet', async () => {
    const { reads, here, waiting, kept } = aReader();
    for (const startedAt of [1, 2]) kept.set(`job-${startedAt}`, at(startedAt));
    here.set('job-2', at(2, { progress: 77, seq: 5 }));
    waiting.set('job-3', at(3, { progress: 1 }));
    const { jobs, partial } = await reads.list();
    expect(jobs.map(({ promptId, progress }) => [promptId, progress])).toEqual([
      ['job-3', 1],
      ['job-2', 77],
      ['job-1', 12.5],
    ]);
    expect(partial).toBeUndefined();
  });

  test('[R12] has what is here, and says that it is a part, while the store is away', async () => {
    const { reads, here, waiting, kept, how } = aReader();
    kept.set('job-1', at(1));
    here.set('job-2', at(2));
    waiting.set('job-2', at(2, { progress: 1 }));
    waiting.set('job-3', at(3));
    how.away = true;
    const { jobs, partial } = await reads.list();
    expect(jobs.map(({ promptId }) => promptId)).toEqual(['job-3', 'job-2']);
    expect(jobs[1]).toMatchObject({ progress: 12.5 });
    expect(partial).toBe(true);
  });

  test('[R12] under a cursor that is none is refused, whether or not the store answers', async () => {
    const { reads, how, asked } = aReader();
    for (how.away of [false, true]) await expect(reads.list({ cursor: 'none' })).rejects.toThrow(InvalidCursor);
    expect(asked).toEqual([]);
  });

  test('comes in pages that miss none, and has 500 jobs at most', async () => {
    const { reads, kept } = aReader();
    for (let startedAt = 1; startedAt <= 600; startedAt += 1) kept.set(`job-${startedAt}`, at(startedAt));
    const first = await reads.list({ limit: 10_000 });
    expect(first.jobs).toHaveLength(500);
    const second = await reads.list({ limit: 10_000, cursor: first.cursor! });
    expect([...first.jobs, ...second.jobs].map(({ startedAt }) => startedAt)).toEqual(
      Array.from({ length: 600 }, (_, n) => 600 - n),
    );
    expect((await reads.list()).jobs).toHaveLength(50);
  });
});

describe('who watches', () => {
  const seenBy = (states$: Observable<JobState>) => {
    const seen: unknown[] = [];
    states$.subscribe({ next: ({ seq }) => seen.push(seq), error: (error: unknown) => seen.push(error) });
    return seen;
  };

  test('[R17] a job that lives here hears of it here, and the store is not asked', () => {
    const { reads, here, local, asked } = aReader();
    here.set('job-1', aState());
    const seen = seenBy(reads.watch('job-1'));
    local.tell('job-1', aState({ seq: 2 }));
    expect([seen, asked]).toEqual([[1, 2], []]);
  });

  test('[R2] a job elsewhere begins with what is stored, goes on with what is told, and never goes backward', () => {
    const { reads, kept, feed } = aReader();
    kept.set('job-1', aState({ seq: 3 }));
    const seen = seenBy(reads.watch('job-1'));
    for (const seq of [2, 4, 4, 3, 5]) feed.next(aState({ seq }));
    expect(seen).toEqual([3, 4, 5]);
  });

  test('goes on elsewhere where the job was let go here', () => {
    const { reads, here, local, kept, feed } = aReader();
    here.set('job-1', aState());
    const seen = seenBy(reads.watch('job-1'));
    kept.set('job-1', aState({ epoch: aState().epoch + 1, seq: 2 }));
    here.delete('job-1');
    local.release('job-1');
    feed.next(aState({ epoch: aState().epoch + 1, seq: 3 }));
    expect(seen).toEqual([1, 2, 3]);
  });

  test('[R12] a job that is nowhere is not known to be so by a store that takes no writes, or was away a moment ago', async () => {
    const { reads, kept, how } = aReader();
    how.full = true;
    expect(seenBy(reads.watch('job-1'))).toEqual([expect.any(StoreUnavailable)]);
    await expect(reads.get('job-1')).rejects.toThrow(StoreUnavailable);
    await expect(reads.present('job-1')).rejects.toThrow(StoreUnavailable);
    Object.assign(how, { full: false, back: true });
    expect(seenBy(reads.watch('job-1'))).toEqual([expect.any(StoreUnavailable)]);
    await expect(reads.get('job-1')).rejects.toThrow(StoreUnavailable);
    kept.set('job-1', aState());
    expect(seenBy(reads.watch('job-1'))).toEqual([1]);
  });

  test('a job that is nowhere is told so', () => {
    const { reads } = aReader();
    expect(seenBy(reads.watch('job-1'))).toEqual([expect.any(UnknownJob)]);
  });
});

test.each([
  ['none', undefined, true],
  ['an end', aState({ status: 'failed', phase: 'settled' }), true],
  ['a job that goes on', aState(), false],
])('an end that a job reached here counts where %s is stored: %s', async (_what, stored, expected) => {
  const { reads, kept } = aReader();
  if (stored !== undefined) kept.set('job-1', stored);
  expect(await reads.stands('job-1')).toBe(expected);
});
