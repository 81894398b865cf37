import { Subject, filter, type Observable, type SchedulerLike } from 'rxjs';
import type { LeaseOutcome, SessionKey } from '../../../../sinks/leases';

export const TTL_MS = 10_000;

/** The sessions that instances share, and who holds each until when. */
export class Register {
  readonly sessions = new Map<string, SessionKey>();
  readonly #leases = new Map<string, { readonly owner: string; readonly until: number }>();
  readonly #releasedBy$ = new Subject<string>();
  readonly #clock: SchedulerLike;

  constructor(clock: SchedulerLike) {
    this.#clock = clock;
  }

  holderOf(clientId: string): string | undefined {
    const { owner, until = 0 } = this.#leases.get(clientId) ?? {};
    return until > this.#clock.now() ? owner : undefined;
  }

  grant(session: SessionKey, owner: string): void {
    this.sessions.set(session.clientId, session);
    this.#leases.set(session.clientId, { owner, until: this.#clock.now() + TTL_MS });
  }

  hold(session: SessionKey, by: string): LeaseOutcome {
    const owner = this.holderOf(session.clientId);
    if (owner !== undefined && owner !== by) return 'taken';
    this.grant(session, by);
    return 'held';
  }

  release({ clientId }: SessionKey, by: string, forget: boolean): void {
    if (this.holderOf(clientId) !== by) return;
    this.#leases.delete(clientId);
    if (forget) this.sessions.delete(clientId);
    else this.#releasedBy$.next(by);
  }

  /** The sessions that nobody holds, and when the next lease of another than this one runs out. */
  orphans(by: string): { readonly sessions: readonly SessionKey[]; readonly nextInMs?: number } {
    const sessions = [...this.sessions.values()].filter(({ clientId }) => this.holderOf(clientId) === undefined);
    const others = [...this.#leases].filter(([clientId]) => ![undefined, by].includes(this.holderOf(clientId)));
    const next = Math.min(...others.map(([, { until }]) => until - this.#clock.now()));
    return { sessions, ...(Number.isFinite(next) && { nextInMs: next }) };
  }

  /** Emits whenever another than this one gives a session back. */
  releasedByOthers$(by: string): Observable<string> {
    return this.#releasedBy$.pipe(filter((owner) => owner !== by));
  }
}
