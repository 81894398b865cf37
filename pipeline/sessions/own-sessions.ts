import { randomUUID } from 'node:crypto';
import {
  BehaviorSubject,
  concat,
  defer,
  ignoreElements,
  merge,
  of,
  repeat,
  take,
  takeUntil,
  takeWhile,
  tap,
  type Observable,
} from 'rxjs';
import type { Leases } from '../../sinks/leases';
import type { Report } from '../../streams/operators/reporting';
import { holding, type HoldingEvent, type HoldingPolicy } from './lease-keeper';
import type { SessionParts } from './sessions';

export interface OwnSessionsParts extends Pick<SessionParts, 'servers' | 'stop$'> {
  readonly leases: Leases;
  readonly isHeld: (clientId: string) => boolean;
}

/** The sessions under which this instance posts new jobs, one per server. */
export class OwnSessions {
  readonly #parts: OwnSessionsParts;
  readonly #policy: HoldingPolicy;
  readonly #report: Report;
  readonly #clientIds: Map<string, string>;
  /** How many of them wait for the first answer about their lease, or for the store's failure. */
  readonly #unleased$: BehaviorSubject<number>;

  constructor(parts: OwnSessionsParts, policy: HoldingPolicy, report: Report) {
    this.#parts = parts;
    this.#policy = policy;
    this.#report = report;
    this.#clientIds = new Map(parts.servers.map(({ url, clientId }) => [url, clientId ?? randomUUID()]));
    this.#unleased$ = new BehaviorSubject(parts.servers.length);
  }

  /** The client id for a server's new jobs; empty for an unknown server. */
  of(serverUrl: string): string {
    return this.#clientIds.get(serverUrl) ?? '';
  }

  /** Completes once each own session was leased, or the store did not answer. */
  ready(): Observable<never> {
    return this.#unleased$.pipe(
      takeWhile((left) => left > 0),
      ignoreElements(),
      takeUntil(this.#parts.stop$),
    );
  }

  /** Holds all of them; replaces one that another instance took by a new one with a fresh client id. */
  events(): Observable<HoldingEvent> {
    return merge(...this.#parts.servers.map(({ url }) => this.#held(url)));
  }

  #held(serverUrl: string): Observable<HoldingEvent> {
    const { leases, isHeld } = this.#parts;
    return defer(() => {
      const session = { clientId: this.of(serverUrl), serverUrl };
      const mine = holding(leases, session, undefined, isHeld, this.#policy, this.#report);
      let counted = true;
      const count = (counts: boolean): void => {
        if (counted === counts) return;
        counted = counts;
        this.#unleased$.next(this.#unleased$.value + (counts ? 1 : -1));
      };
      const tried$ = mine.tried$.pipe(tap({ complete: () => count(false) }));
      const lost$ = mine.lost$.pipe(
        tap(() => {
          this.#clientIds.set(serverUrl, randomUUID());
          count(true);
        }),
      );
      // Over once it is lost: one that another has from the start, as under an id of the settings, is never tried.
      const until$ = merge(tried$, lost$).pipe(take(1));
      return concat(of<HoldingEvent>({ tag: 'held', holdings: [mine.holding] }), until$);
    }).pipe(repeat());
  }
}
