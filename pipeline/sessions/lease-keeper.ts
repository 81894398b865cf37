import {
  EMPTY,
  Observable,
  catchError,
  concatMap,
  Subject,
  defer,
  switchMap,
  exhaustMap,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  repeat,
  take,
  takeWhile,
  tap,
  timer,
  toArray,
  type SchedulerLike,
} from 'rxjs';
import type { Report } from '../../streams/operators/reporting';
import type { Leases, SessionKey } from '../../sinks/leases';

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

/** Per sweep an instance takes at most half of the orphaned sessions, and never fewer than two, so that instances share them. */
const AT_LEAST = 2;
/** The next sweep comes after 200 ms where one left orphans, or an instance gave a session back. */
const AGAIN_MS = 200;
/** Between attempts to extend a lease while the store does not answer. */
const RETRY_MS = 500;
/**
 * After an outage of the store all leases may have run out at once: whoever had them gets so long to extend them, and to
 * store what happened meanwhile, before others take over.
 */
const GRACE_MS = 4_000;

/** A session as it is held. */
interface Kept {
  readonly holding: Holding;
  /** Completes once the lease was extended, or the store did not answer, after `lost$` was subscribed to. */
  readonly tried$: Observable<never>;
  readonly lost$: Observable<HoldingEvent>;
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
  const extended$ = new Subject<void>();
  const failed$ = new Subject<void>();
  const held: Holding = {
    ...{ ...session, inherited: inheritedAt !== undefined, renewed$: extended$ },
    trusted,
  };
  let failing = false;
  const failed = (error: unknown): Observable<never> => {
    // Reported once an outage.
    if (!failing) report('lease', error);
    failing = true;
    failed$.next();
    return EMPTY;
  };
  const renewed$ = defer(() => {
    const startedAt = clock.now();
    return leases.hold(session).pipe(
      tap((outcome) => {
        failing = false;
        if (outcome !== 'held') return;
        heldSince = startedAt;
        extended$.next();
      }),
    );
  }).pipe(catchError(failed));
  const due$ = timer(inheritedAt === undefined ? 0 : renewMs, renewMs, clock);
  const lost$ = merge(due$, failed$.pipe(switchMap(() => timer(RETRY_MS, clock)))).pipe(
    map(() => isHeld(session.clientId)),
    takeWhile((wanted) => wanted),
    exhaustMap(() => renewed$),
    filter((outcome) => outcome === 'taken'),
    take(1),
    map((): HoldingEvent => ({ tag: 'lost', holding: held })),
  );
  return { holding: held, tried$: merge(extended$, failed$).pipe(take(1), ignoreElements()), lost$ };
}

/** Takes over orphans of the servers it serves as they appear, and holds them. Emits what was taken in one sweep together. */
export function inheriting(
  leases: Leases,
  isServed: (serverUrl: string) => boolean,
  isHeld: (clientId: string) => boolean,
  policy: HoldingPolicy,
  report: Report,
): Observable<HoldingEvent> {
  const { sweepMs, clock, random } = policy;
  let waitMs = 0;
  let failing = false;
  let graceUntil = 0;

  const sweep$ = defer(() => leases.orphans()).pipe(
    concatMap(({ sessions, nextInMs = Number.POSITIVE_INFINITY }) => {
      if (failing) graceUntil = clock.now() + GRACE_MS;
      failing = false;
      const wanted = sessions.filter(({ clientId, serverUrl }) => isServed(serverUrl) && !isHeld(clientId));
      if (wanted.length > 0 && clock.now() < graceUntil) {
        waitMs = Math.min(graceUntil - clock.now(), GRACE_MS);
        return EMPTY;
      }
      // Begins at a random place: instances that sweep at the same moment would otherwise all ask for the same half.
      const first = Math.floor(random() * wanted.length);
      const some = [...wanted.slice(first), ...wanted.slice(0, first)].slice(
        0,
        Math.max(AT_LEAST, Math.ceil(wanted.length / 2)),
      );
      waitMs =
        some.length < wanted.length ? AGAIN_MS : Math.min(sweepMs * (0.8 + 0.4 * random()), nextInMs + AGAIN_MS / 4);
      return from(some).pipe(mergeMap(taking), toArray());
    }),
    filter((taken) => taken.length > 0),
    catchError((error: unknown) => {
      if (!failing) report('sweep', error);
      failing = true;
      waitMs = sweepMs;
      return EMPTY;
    }),
  );

  function taking(session: SessionKey): Observable<Kept> {
    const startedAt = clock.now();
    return leases.hold(session).pipe(
      filter((outcome) => outcome === 'held'),
      map(() => holding(leases, session, startedAt, isHeld, policy, report)),
    );
  }

  const soon$ = leases.released$.pipe(concatMap(() => timer(AGAIN_MS * random(), clock)));
  return sweep$.pipe(
    repeat({ delay: () => merge(timer(waitMs, clock), soon$).pipe(take(1)) }),
    mergeMap((taken) => {
      const held: HoldingEvent = { tag: 'held', holdings: taken.map((each) => each.holding) };
      return merge(of(held), ...taken.map((each) => each.lost$));
    }),
  );
}
