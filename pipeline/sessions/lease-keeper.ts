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
import { Deserted } from './deserted-sessions';
import { AGAIN_MS, afterAnswer, afterFailure, unswept, type Sweeping } from './sweeps';

/** A session that this instance holds. */
export interface Holding extends SessionKey {
  /** Whether it was taken over: another instance, or an earlier process, opened sockets and posted jobs under it. */
  readonly inherited: boolean;
  /**
   * Whether it is certain that no other instance holds it now: within `ttlMs` less `marginMs` of the start of the last
   * successful attempt to extend the lease (its start, as a slow answer must not extend it). Also before the first
   * attempt of a new session, which no other instance knows.
   */
  readonly trusted: () => boolean;
  /**
   * Counts how often the lease was extended when it was trusted no longer: another instance may have held the session,
   * and given it back, in between.
   */
  readonly term: () => number;
  /** Emits each time the lease was extended, when `trusted` is true again. */
  readonly renewed$: Observable<void>;
}

export type HoldingEvent =
  | { readonly tag: 'held'; readonly holdings: readonly Holding[] }
  /** Another instance holds it. `heldMsAgo`: since the lease was last extended here, ms. */
  | { readonly tag: 'lost'; readonly holding: Holding; readonly heldMsAgo: number };

export interface HoldingPolicy {
  readonly renewMs: number;
  readonly marginMs: number;
  /** The time between two sweeps for orphans, ± 20 %. */
  readonly sweepMs: number;
  readonly clock: SchedulerLike;
  readonly random: () => number;
}

export const defaultHoldingPolicy: Omit<HoldingPolicy, 'clock' | 'random'> = {
  renewMs: 3_000,
  marginMs: 1_500,
  sweepMs: 2_000,
};

/** The wait between attempts to extend a lease while the store does not answer, ms. */
const RETRY_MS = 500;
/** A held session with the streams that hold it. */
interface Kept {
  readonly holding: Holding;
  /** Completes after the next attempt to extend the lease, unless another instance has it; needs `lost$` subscribed. */
  readonly tried$: Observable<never>;
  readonly lost$: Observable<HoldingEvent>;
}

/** One sweep: the sweeper's state after it, and the sessions taken in it. */
interface Swept {
  readonly sweeping: Sweeping;
  readonly kept: readonly Kept[];
}

/**
 * Holds a session while `isHeld` says so and until another instance takes it: extends the lease every `renewMs`, and
 * goes on trying while the store does not answer (R12). A session that is not inherited gets its lease by the first
 * attempt.
 */
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
  let term = 0;
  /** A clock that was set back makes the age negative: then the lease is not trusted. */
  const trusted = (): boolean => {
    const sinceMs = heldSince === undefined ? 0 : clock.now() - heldSince;
    return sinceMs >= 0 && sinceMs < trustMs;
  };
  /** The outcome of each attempt to extend the lease. */
  const outcome$ = new Subject<LeaseOutcome | 'failed'>();
  const held: Holding = {
    ...session,
    inherited: inheritedAt !== undefined,
    trusted,
    term: () => term,
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
        if (outcome !== 'held') return;
        if (!trusted()) term += 1;
        heldSince = startedAt;
      };
      return leases.hold(session).pipe(tap(heed));
    }).pipe(
      catchError((error: unknown) => {
        // Only the first of an outage is reported.
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
    map((): HoldingEvent => ({ tag: 'lost', holding: held, heldMsAgo: clock.now() - (heldSince ?? 0) })),
  );
  const isTried = outcome$.pipe(filter((outcome) => outcome !== 'taken'));
  return { holding: held, tried$: isTried.pipe(take(1), ignoreElements()), lost$ };
}

/**
 * Takes over orphaned sessions of this pipeline's servers, and deserted ones, and holds them. Emits those of one sweep
 * together.
 */
export function inheriting(
  leases: Leases,
  isServed: (serverUrl: string) => boolean,
  isHeld: (clientId: string) => boolean,
  policy: HoldingPolicy,
  report: Report,
): Observable<HoldingEvent> {
  const { clock, random } = policy;
  const deserted = new Deserted(isServed);
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
        const ours = deserted.without(sessions, clock.now());
        const wanted = ours.filter(({ clientId }) => !isHeld(clientId));
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
