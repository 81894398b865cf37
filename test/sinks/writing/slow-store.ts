import { defer, delay, map, of, throwError, type SchedulerLike } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { StoreUnavailable, type JobStore, type PutOutcome } from '../../../sinks/job-store';
import { writeBehind } from '../../../sinks/writing/queued-writes';
import type { WriteBehind } from '../../../sinks/writing/write-behind';
import { isNewer, type JobState } from '../../../streams/job/job-state';

export const WRITE_MS = 2;

/** A store in memory that takes 2 ms to answer, and can be down. Remembers what it was asked to write, and when. */
class SlowStore implements Pick<JobStore, 'put' | 'get'> {
  isUp = true;
  inFlight = 0;
  mostInFlight = 0;
  readonly held = new Map<string, JobState>();
  readonly writes: { readonly at: number; readonly promptId: string; readonly seq: number }[] = [];

  constructor(private readonly clock: SchedulerLike) {}

  put = (state: JobState) =>
    defer(() => {
      this.writes.push({ at: this.clock.now(), promptId: state.promptId, seq: state.seq });
      this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
      return of(state).pipe(
        delay(WRITE_MS, this.clock),
        map((written) => this.answer(written)),
      );
    });
  get = (promptId: string) =>
    this.isUp ? of(this.held.get(promptId)) : throwError(() => new StoreUnavailable('down'));

  private answer(state: JobState): PutOutcome {
    this.inFlight--;
    if (!this.isUp) throw new StoreUnavailable('down');
    const before = this.held.get(state.promptId);
    if (before !== undefined && before !== state && !isNewer(state, before)) return 'stale';
    this.held.set(state.promptId, state);
    return 'stored';
  }
}

export interface Scene {
  readonly store: SlowStore;
  readonly writer: WriteBehind;
  readonly reports: unknown[];
  /** What `onStale` was called with. */
  readonly stale: JobState[];
  /** Does something at a time in ms. */
  readonly at: (ms: number, action: () => void) => void;
}

/** Plays a scene in virtual time; what it returns is run at the end. */
export function play(scene: (parts: Scene) => () => void, confirmMs = 0): void {
  const clock = new TestScheduler(() => true);
  let check: (() => void) | undefined;
  clock.run(({ flush }) => {
    const store = new SlowStore(clock);
    const reports: unknown[] = [];
    const backoff = { steadyMs: 0, delayMs: (n: number) => Math.min(1000, 100 * 2 ** (n - 1)) };
    const stale: JobState[] = [];
    const writer = writeBehind(store, {
      backoff,
      clock,
      confirmMs,
      onStale: (state) => stale.push(state),
      report: (_where, error) => reports.push(error),
    });
    check = scene({ store, writer, reports, stale, at: (ms, action) => void clock.schedule(action, ms) });
    flush();
  });
  check?.();
}

export const timesOf = (store: SlowStore, promptId = 'job-1') =>
  store.writes.filter((write) => write.promptId === promptId).map(({ at, seq }) => [at, seq]);
