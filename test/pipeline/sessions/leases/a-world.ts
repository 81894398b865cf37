import { EMPTY, NEVER, Subject, VirtualTimeScheduler, defer, filter, map, of } from 'rxjs';
import { concatMap, throwError, timer, type Observable, type Subscription } from 'rxjs';
import {
  defaultHoldingPolicy,
  holding,
  inheriting,
  type Holding,
  type HoldingEvent,
  type HoldingPolicy,
} from '../../../../pipeline/sessions/lease-keeper';
import { StoreUnavailable } from '../../../../sinks/job-store';
import type { LeaseOutcome, Leases, SessionKey } from '../../../../sinks/leases';

export const TTL_MS = 10_000;
export const SERVER = 'http://comfy:8188';
export const key = (clientId = 'c', serverUrl = SERVER): SessionKey => ({ clientId, serverUrl });

/** Leases of several instances over virtual time: what is asked takes effect at once, and is answered `answerMs` later. */
export function aWorld(random = 0.5) {
  const clock = new VirtualTimeScheduler();
  const registry = new Map<string, SessionKey>();
  const leases = new Map<string, { readonly owner: string; readonly until: number }>();
  const released$ = new Subject<string>();
  const holderOf = (clientId: string): string | undefined => {
    const { owner, until = 0 } = leases.get(clientId) ?? {};
    return until > clock.now() ? owner : undefined;
  };
  const grant = (session: SessionKey, owner: string): void => {
    registry.set(session.clientId, session);
    leases.set(session.clientId, { owner, until: clock.now() + TTL_MS });
  };

  function instance(name: string) {
    const link = { down: false, answerMs: 0 };
    /** When each lease was asked for. */
    const holds: number[] = [];
    const sweeps: number[] = [];
    const reports: string[] = [];
    const answered = <T>(work: () => T): Observable<T> =>
      defer(() => {
        if (link.down) return throwError(() => new StoreUnavailable('down'));
        const answer = work();
        return link.answerMs === 0 ? of(answer) : timer(link.answerMs, clock).pipe(map(() => answer));
      });
    const its: Leases = {
      ttlMs: TTL_MS,
      hold: (session) =>
        defer(() => {
          holds.push(clock.now());
          return answered((): LeaseOutcome => {
            const owner = holderOf(session.clientId);
            if (owner !== undefined && owner !== name) return 'taken';
            grant(session, name);
            return 'held';
          });
        }),
      release: (session, forget = false) =>
        answered(() => {
          if (holderOf(session.clientId) !== name) return;
          leases.delete(session.clientId);
          if (forget) registry.delete(session.clientId);
          else released$.next(name);
        }).pipe(concatMap(() => EMPTY)),
      orphans: () =>
        defer(() => {
          sweeps.push(Math.round(clock.now()));
          return answered(() => {
            const sessions = [...registry.values()].filter(({ clientId }) => holderOf(clientId) === undefined);
            const others = [...leases.entries()].filter(
              ([clientId]) => ![undefined, name].includes(holderOf(clientId)),
            );
            const next = Math.min(...others.map(([, lease]) => lease.until - clock.now()));
            return { sessions, ...(Number.isFinite(next) && { nextInMs: next }) };
          });
        }),
      released$: released$.pipe(filter((by) => by !== name)),
      note: () => EMPTY,
      ask: () => of(false),
      asked: () => NEVER,
    };

    const held = new Map<string, Holding>();
    const isHeld = (clientId: string): boolean => held.has(clientId);
    const events: { readonly at: number; readonly tag: string; readonly clientIds: readonly string[] }[] = [];
    const policy: HoldingPolicy = { ...defaultHoldingPolicy, clock, random: () => random };
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
      leases: its,
      link,
      holds,
      sweeps,
      reports,
      held,
      events,
      holds$: (session: SessionKey, inheritedAt?: number) => {
        const mine = holding(its, session, inheritedAt, isHeld, policy, report);
        held.set(session.clientId, mine.holding);
        const renewals: boolean[] = [];
        mine.holding.renewed$.subscribe(() => renewals.push(mine.holding.trusted()));
        return { trusted: mine.holding.trusted, renewals, subscription: heed(mine.lost$) };
      },
      inherits: (isServed: (serverUrl: string) => boolean = () => true) =>
        heed(inheriting(its, isServed, isHeld, policy, report)),
      taken: () => events.filter(({ tag }) => tag === 'held').map(({ at, clientIds }) => [at, clientIds.length]),
    };
  }

  return {
    clock,
    registry,
    instance,
    holderOf,
    grant,
    /** Sessions that nobody holds. */
    orphaned: (count: number, serverUrl = SERVER) => {
      for (let n = 0; n < count; n++) registry.set(`${serverUrl} ${n}`, key(`${serverUrl} ${n}`, serverUrl));
    },
    pass: (ms: number) => {
      clock.maxFrames = clock.frame + ms;
      clock.schedule(() => 'now', ms);
      clock.flush();
    },
  };
}
