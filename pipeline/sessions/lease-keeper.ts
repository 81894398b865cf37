import {
  EMPTY,
  Observable,
  catchError,
  concatMap,
  Subject,
  defer,
  exhaustMap,
  expand,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  take,
  takeWhile,
  tap,
  timer,
  toArray,
  type SchedulerLike,
} from 'rxjs';
import type { Report } from '../../streams/operators/reporting';
import type { LeaseOutcome, Leases, SessionKey } from '../../sinks/leases';
import { AGAIN_MS, afterAnswer, afterFailure, unswept, type Sweeping } from './sweeps';

/** A session that this instance holds. */
export interface Holding extends SessionKey {
  /** Taken over: another instance, or an earlier run, opened sockets and posted jobs under it. */
  readonly inherited: boolean;
  /**
   * Whether no other instance can hold it now. Counted from the start of the last attempt that succeeded, less a
   * margin: a slow answer must not extend it. A session that was never registered is nobody else's.
   */
  readonly trusted: () => boolean;
  /** Emits each time the lease was extended, when `trusted` is true again. */
  readonly renewed$: Observable<void>;
}

export type HoldingEvent =
  | { readonly tag: 'held'; readonly holdings: readonly Holding[] }
  /** Another instance has it. */
  | { readonly tag: 'lost'; readonly holding: Holding };

export interface HoldingPolicy {
  readonly renewMs: number;
  readonly marginMs: number;
  /** Between sweeps for orphans, ± 20 %. */
  readonly sweepMs: number;
  readonly clock: SchedulerLike;
  readonly random: () => number;
}

export const defaultHoldingPolicy: Omit<HoldingPolicy, 'clock' | 'random'> = {
  renewMs: 3_000,
  marginMs: 1_500,
  sweepMs: 2_000,
};

/** Between attempts to extend a lease while the store does not answer. */
const RETRY_MS = 500;
/** A session as it is held. */
interface Kept {
  readonly holding: Holding;
  /** Completes once the lease was extended, or the store did not answer, after `lost$` was subscribed to. */
  readonly tried$: Observable<never>;
  readonly lost$: Observable<HoldingEvent>;
}

/** One sweep: what the sweeps have come to by it, and the sessions that were taken in it. */
interface Swept {
  readonly sweeping: Sweeping;
  readonly kept: readonly Kept[];
}

/** Holds a session until it is lost, or held no more: extends the lease, and goes on trying while the store does not answer (R12). */
export function holding(
  leases: Leases,
  session: SessionKey,
  inheritedAt: number | undefined,
  isHeld: (clientId: string) => boolean,
  { renewMs, marginMs, clock }: HoldingPolicy,
  report: Report,
): Kept {
  const trustMs = leases.ttlMs - marginMs;
  let heldSince = inheritedAt;
  /** A clock that was set back tells nothing of how long ago that was. */
  const trusted = (): boolean => {
    const sinceMs = heldSince === undefined ? 0 : clock.now() - heldSince;
    return sinceMs >= 0 && sinceMs < trustMs;
  };
  /** What came of each attempt to extend it. */
  const outcome$ = new Subject<LeaseOutcome | 'failed'>();
  const held: Holding = {
    ...{ ...session, inherited: inheritedAt !== undefined, trusted },
    renewed$: outcome$.pipe(
      filter((outcome) => outcome === 'held'),
      map(() => undefined),
    ),
  };
  const isWanted = (): boolean => isHeld(session.clientId);
  const attempt = (isFirst: boolean): Observable<LeaseOutcome | 'failed'> =>
    defer(() => {
      const startedAt = clock.now();
      const heed = (outcome: LeaseOutcome): void => {
        if (outcome === 'held') heldSince = startedAt;
      };
      return leases.hold(session).pipe(tap(heed));
    }).pipe(
      catchError((error: unknown) => {
        // Reported once an outage.
        if (isFirst) report('lease', error);
        return of('failed' as const);
      }),
    );
  const again$ = timer(RETRY_MS, clock).pipe(
    filter(isWanted),
    concatMap(() => attempt(false)),
  );
  const lost$ = timer(inheritedAt === undefined ? 0 : renewMs, renewMs, clock).pipe(
    takeWhile(isWanted),
    exhaustMap(() => attempt(true).pipe(expand((outcome) => (outcome === 'failed' ? again$ : EMPTY)))),
    tap((outcome) => outcome$.next(outcome)),
    filter((outcome) => outcome === 'taken'),
    take(1),
    map((): HoldingEvent => ({ tag: 'lost', holding: held })),
  );
  const isTried = outcome$.pipe(filter((outcome) => outcome !== 'taken'));
  return { holding: held, tried$: isTried.pipe(take(1), ignoreElements()), lost$ };
}

/** Takes over orphans of the servers it serves as they appear, and holds them. Emits what was taken in one sweep together. */
export function inheriting(
  leases: Leases,
  isServed: (serverUrl: string) => boolean,
  isHeld: (clientId: string) => boolean,
  policy: HoldingPolicy,
  report: Report,
): Observable<HoldingEvent> {
  const { clock, random } = policy;
  const taking = (session: SessionKey): Observable<Kept> => {
    const startedAt = clock.now();
    return leases.hold(session).pipe(
      filter((outcome) => outcome === 'held'),
      map(() => holding(leases, session, startedAt, isHeld, policy, report)),
    );
  };
  const failed = (before: Sweeping, error: unknown): Sweeping => {
    if (!before.isFailing) report('sweep', error);
    return afterFailure(before, policy);
  };
  const taken = (sweeping: Sweeping): Observable<Swept> =>
    from(sweeping.some).pipe(
      mergeMap(taking),
      toArray(),
      map((kept): Swept => ({ sweeping, kept })),
      catchError((error: unknown) => of({ sweeping: failed(sweeping, error), kept: [] })),
    );
  const sweep = (before: Sweeping): Observable<Swept> =>
    defer(() => leases.orphans()).pipe(
      map(({ sessions, nextInMs }) => {
        const wanted = sessions.filter(({ clientId, serverUrl }) => isServed(serverUrl) && !isHeld(clientId));
        return afterAnswer(before, { wanted, nextInMs }, clock.now(), policy);
      }),
      catchError((error: unknown) => of(failed(before, error))),
      concatMap(taken),
    );
  const soon$ = leases.released$.pipe(concatMap(() => timer(AGAIN_MS * random(), clock)));
  const due = ({ waitMs }: Sweeping): Observable<unknown> => merge(timer(waitMs, clock), soon$).pipe(take(1));
  return sweep(unswept).pipe(
    expand(({ sweeping }) => due(sweeping).pipe(concatMap(() => sweep(sweeping)))),
    filter(({ kept }) => kept.length > 0),
    mergeMap(({ kept }) => {
      const held: HoldingEvent = { tag: 'held', holdings: kept.map((each) => each.holding) };
      return merge(of(held), ...kept.map((each) => each.lost$));
    }),
  );
}
