import {
  EMPTY,
  NEVER,
  concatMap,
  defer,
  map,
  of,
  tap,
  throwError,
  timer,
  type Observable,
  type SchedulerLike,
  type Subscription,
} from 'rxjs';
import {
  defaultHoldingPolicy,
  holding,
  inheriting,
  type Holding,
  type HoldingEvent,
  type HoldingPolicy,
} from '../../../../pipeline/sessions/lease-keeper';
import { StoreUnavailable } from '../../../../sinks/job-store';
import type { Leases, SessionKey } from '../../../../sinks/leases';
import { TTL_MS, type Register } from './register';

/** What instances have in common. */
export interface Shared {
  readonly register: Register;
  readonly clock: SchedulerLike;
  readonly random: () => number;
}

/** An instance by this name: what it asks of the register, and what it holds. */
export function anInstance(name: string, shared: Shared) {
  const asking = leasesOf(name, shared);
  return { ...asking, ...keeping(asking.leases, shared) };
}

/** The leases as this instance has them, over a link of its own, and when it asked for them. */
function leasesOf(name: string, { register, clock }: Shared) {
  const link = { down: false, answerMs: 0 };
  /** When each lease was asked for. */
  const holds: number[] = [];
  const sweeps: number[] = [];
  const answered = <T>(work: () => T): Observable<T> =>
    defer(() => {
      if (link.down) return throwError(() => new StoreUnavailable('down'));
      const answer = work();
      return link.answerMs === 0 ? of(answer) : timer(link.answerMs, clock).pipe(map(() => answer));
    });
  const leases: Leases = {
    ttlMs: TTL_MS,
    hold: (session) =>
      defer(() => {
        holds.push(clock.now());
        return answered(() => register.hold(session, name));
      }),
    release: (session, forget = false) =>
      answered(() => register.release(session, name, forget)).pipe(concatMap(() => EMPTY)),
    orphans: () =>
      defer(() => {
        sweeps.push(Math.round(clock.now()));
        return answered(() => register.orphans(name));
      }),
    released$: register.releasedByOthers$(name),
    note: () => EMPTY,
    ask: () => of(false),
    asked: () => NEVER,
  };
  return { leases, link, holds, sweeps };
}

/** Holds sessions and takes orphans when it is told to, and notes what came of it. */
function keeping(leases: Leases, { clock, random }: Shared) {
  const reports: string[] = [];
  const held = new Map<string, Holding>();
  const events: { readonly at: number; readonly tag: string; readonly clientIds: readonly string[] }[] = [];
  const isHeld = (clientId: string): boolean => held.has(clientId);
  const policy: HoldingPolicy = { ...defaultHoldingPolicy, clock, random };
  const report = (where: string): void => void reports.push(where);
  const heed = (event$: Observable<HoldingEvent>): Subscription =>
    event$.subscribe((event) => {
      const holdings = event.tag === 'held' ? event.holdings : [event.holding];
      for (const each of holdings) {
        if (event.tag === 'held') held.set(each.clientId, each);
        else held.delete(each.clientId);
      }
      events.push({ at: clock.now(), tag: event.tag, clientIds: holdings.map(({ clientId }) => clientId) });
    });
  return {
    reports,
    held,
    events,
    holds$: (session: SessionKey, inheritedAt?: number) => {
      const mine = holding(leases, session, inheritedAt, isHeld, policy, report);
      held.set(session.clientId, mine.holding);
      const renewals: boolean[] = [];
      mine.holding.renewed$.subscribe(() => renewals.push(mine.holding.trusted()));
      const lostMsAgo: number[] = [];
      const lost$ = mine.lost$.pipe(tap((event) => event.tag === 'lost' && lostMsAgo.push(event.heldMsAgo)));
      return { trusted: mine.holding.trusted, term: mine.holding.term, renewals, lostMsAgo, subscription: heed(lost$) };
    },
    inherits: (isServed: (serverUrl: string) => boolean = () => true) =>
      heed(inheriting(leases, isServed, isHeld, policy, report)),
    taken: () => events.filter(({ tag }) => tag === 'held').map(({ at, clientIds }) => [at, clientIds.length]),
  };
}
