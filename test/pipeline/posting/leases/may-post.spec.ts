import { Subject, defer, of, throwError } from 'rxjs';
import { mayPost } from '../../../../pipeline/posting/may-post';
import { StoreUnavailable, type PutOutcome } from '../../../../sinks/job-store';
import { jobBoard } from '../../../../streams/board/board';
import { jobOf } from '../../../../streams/job/job';
import type { JobState } from '../../../../streams/job/job-state';
import { defaultTiming } from '../../../../streams/job/timing';
import { aState } from '../../../streams/job/a-job';

/** A stored job that is to be posted, the lease on its session, and a store that answers as it is told. */
function toBePosted({ isKnown = true, waits }: { readonly isKnown?: boolean; readonly waits?: JobState } = {}) {
  const board = jobBoard(defaultTiming);
  const state = aState({ promptId: 'p', clientId: 'c' });
  if (isKnown) board.take({ tag: 'opened', job: jobOf(state) });
  const lease = { now: 'certain' as 'certain' | 'doubtful', term: 0 };
  const store = { answer: 'stored' as PutOutcome | StoreUnavailable };
  const leaseChanged$ = new Subject<void>();
  const written: JobState[] = [];
  const renewed: JobState[] = [];
  const reports: unknown[] = [];
  const its = mayPost(
    { promptId: 'p', clientId: 'c', stored: true },
    {
      board,
      sessions: { lease: () => lease.now, term: () => lease.term, leaseChanged: () => leaseChanged$ },
      writer: {
        write: (state) =>
          defer(() => {
            written.push(state);
            const { answer } = store;
            return typeof answer === 'string' ? of(answer) : throwError(() => answer);
          }),
        waiting: () => waits,
        renew: (state) => renewed.push(state),
        maybeStoredMs: () => Infinity,
      },
    },
    { report: (_where, error) => reports.push(error) },
  );
  let changes = 0;
  const heed = (): void => void its.changed$.subscribe(() => (changes += 1));
  heed();
  /** Whether it may be posted, and how many times that was to be asked since the last call. */
  const may = () => ({ may: its.mayPost(), asked: changes - (changes = 0) });
  const doubt = (): void => void (lease.now = 'doubtful');
  const extended = (): void => {
    Object.assign(lease, { now: 'certain', term: lease.term + 1 });
    leaseChanged$.next();
  };
  return { board, state, lease, store, leaseChanged$, written, renewed, reports, heed, may, doubt, extended };
}

test('[R11] under a lease that was certain all the time a job is posted, and nothing is written for it', () => {
  const { may, leaseChanged$, written } = toBePosted();
  expect(may().may).toBe(true);
  leaseChanged$.next();
  expect([may().may, written]).toEqual([true, []]);
});

test('[R11] once its lease was in doubt a job is posted only after its state was stored in the new term', () => {
  const { may, doubt, extended, written, state, leaseChanged$ } = toBePosted();
  doubt();
  leaseChanged$.next();
  expect([may().may, written]).toEqual([false, []]);
  extended();
  // Of the lease, and of the state that is stored.
  expect(may()).toEqual({ may: true, asked: 2 });
  expect(written).toEqual([state]);
  leaseChanged$.next();
  expect(written).toHaveLength(1);
});

test('[R11] so it is where nobody had asked yet when its lease was in doubt', () => {
  const { lease, heed, may, written, state } = toBePosted();
  lease.term = 1;
  expect(may().may).toBe(false);
  heed();
  expect([may().may, written]).toEqual([true, [state]]);
});

test('[R11] a job that another instance has meanwhile is not posted, and is left to the queue of writes', () => {
  const { may, doubt, extended, store, renewed, state } = toBePosted();
  store.answer = 'stale';
  doubt();
  extended();
  expect([may().may, renewed]).toEqual([false, [state]]);
});

test('[R12] while the store does not answer it is not posted; its state is written again when the lease is next extended', () => {
  const { may, doubt, extended, store, reports, leaseChanged$, renewed } = toBePosted();
  store.answer = new StoreUnavailable('away');
  doubt();
  extended();
  expect([may().may, reports]).toEqual([false, [store.answer]]);
  store.answer = 'stored';
  leaseChanged$.next();
  expect([may().may, renewed]).toEqual([true, []]);
});

test('what waits to be written is newer than the board: it is what must be stored', () => {
  const waits = aState({ promptId: 'p', clientId: 'c', seq: 9 });
  const { extended, written } = toBePosted({ waits });
  extended();
  expect(written).toEqual([waits]);
});

test('of a job that is gone nothing is written', () => {
  const { extended, written, may } = toBePosted({ isKnown: false });
  extended();
  expect([written, may().may]).toEqual([[], false]);
});

test('whether it may be posted is asked anew when its socket opens, and when the job changes', () => {
  const { board, may } = toBePosted();
  may();
  board.take({ tag: 'linked', clientId: 'c', at: 1 });
  expect(may().asked).toBeGreaterThan(0);
  board.take({ tag: 'cancelAsked', promptId: 'p', at: 2 });
  expect(may().asked).toBeGreaterThan(0);
});
