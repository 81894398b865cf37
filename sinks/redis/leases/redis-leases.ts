import { randomUUID } from 'node:crypto';
import * as E from 'fp-ts/Either';
import { defer, EMPTY, filter, ignoreElements, map, mergeMap, of, reduce, tap, type Observable } from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { toldOnce } from '../../codecs/told-once';
import type { LeaseOutcome, Leases, SessionRequest, SessionKey } from '../../leases';
import { isGone, thisProcess } from '../../process-identity';
import type { Ask } from '../connection/commands';
import type { RedisListener } from '../connection/listener';
import type { LeaseScripts } from '../scripts/leases';
import { decodeLeaseOwner, decodeRequest, UnreadableLease, type LeaseOwner } from './lease.codec';
import { SessionRegistry, type RegistryCommands } from './session-registry';
import { withSight, type Orphans, type Sight } from './sight';

/** The channel on which an instance publishes its name when it gives a session back. */
export const RELEASED_CHANNEL = 'jobstream:released';

/** Leases read at once. */
const LOOKS = 256;

export const leaseKey = (clientId: string): string => `jobstream:lease:{${clientId}}`;

/** The sharded channel on which a session's holder receives requests. */
export const askChannel = (clientId: string): string => `jobstream:ask:{${clientId}}`;

/** The commands that leases need. */
export type LeaseCommands = LeaseScripts &
  RegistryCommands & {
    spublish(channel: string, message: string): Promise<unknown>;
  };

export interface RedisLeasesOptions {
  readonly redis: LeaseCommands;
  readonly ask: Ask;
  readonly listener: RedisListener;
  readonly ttlMs: number;
  readonly report: Report;
  /** Called when a lease held here was gone when it was to be extended. */
  readonly onGone: () => void;
}

/**
 * Leases in Redis: `jobstream:lease:{<clientId>}` names the owner and expires by itself; a registry names all sessions.
 * A session is registered after its lease is taken, so that a sweep in between does not find it without an owner, and
 * unregistered after its lease is deleted. A crash in between leaves jobs of a session that is not registered: recovery
 * finds them among all jobs and registers it. An owner whose process has certainly ended, as on the same machine,
 * counts as none.
 */
class RedisLeases implements Leases {
  readonly ttlMs: number;
  readonly released$: Observable<unknown>;
  readonly #redis: LeaseCommands;
  readonly #ask: Ask;
  readonly #listener: RedisListener;
  readonly #report: Report;
  readonly #onGone: () => void;
  readonly #here = thisProcess();
  readonly #self: LeaseOwner = { instance: randomUUID(), ...(this.#here !== undefined && { process: this.#here }) };
  readonly #selfJson = JSON.stringify(this.#self);
  readonly #registry: SessionRegistry;
  /**
   * Leases of other instances by client id: until when each need not be read again, and its owner as stored. Used only
   * while `RELEASED_CHANNEL` is heard.
   */
  readonly #others = new Map<string, { readonly untilMs: number; readonly owner: string }>();
  /** Whether `RELEASED_CHANNEL` is heard. */
  #hears = false;
  /** Until when a lease taken or extended here is surely ours, ms: for half its time. */
  readonly #oursUntil = new Map<string, number>();
  /** Reports a key once: each sweep finds the same value again. */
  readonly #tell: (unreadable: UnreadableLease) => void;

  constructor({ redis, ask, listener, ttlMs, report, onGone }: RedisLeasesOptions) {
    this.ttlMs = ttlMs;
    this.#redis = redis;
    this.#ask = ask;
    this.#listener = listener;
    this.#report = report;
    this.#onGone = onGone;
    this.#tell = toldOnce('redis leases', report);
    this.#registry = new SessionRegistry(redis, ask, this.#tell, report);
    this.released$ = this.#released();
  }

  hold(session: SessionKey): Observable<LeaseOutcome> {
    return defer(() => {
      const startedAt = Date.now();
      return this.#taken(session).pipe(
        mergeMap((outcome) =>
          isHeld(outcome) || !this.#isOwnerGone(outcome) ? of(outcome) : this.#taken(session, outcome),
        ),
        mergeMap((outcome) => this.#noted(session, outcome, startedAt)),
        map((outcome): LeaseOutcome => (isHeld(outcome) ? 'held' : 'taken')),
      );
    });
  }

  release({ clientId }: SessionKey, forget = false): Observable<never> {
    return defer(() => {
      this.#registry.forget(clientId);
      this.#oursUntil.delete(clientId);
      return this.#ask(() => this.#redis.releaseLease(leaseKey(clientId), this.#selfJson));
    }).pipe(
      filter((outcome) => outcome === 1),
      mergeMap((): Observable<unknown> => (forget ? this.#registry.remove(clientId) : this.#tellReleased())),
      ignoreElements(),
    );
  }

  note(session: SessionKey): Observable<never> {
    return this.#registry.register(session).pipe(ignoreElements());
  }

  orphans(): Observable<Orphans> {
    return this.#registry.sessions().pipe(
      mergeMap((session) => this.#sight(session), LOOKS),
      reduce(withSight, { sessions: [] } as Orphans),
    );
  }

  ask(clientId: string, request: SessionRequest): Observable<boolean> {
    return this.#ask(() => this.#redis.spublish(askChannel(clientId), JSON.stringify(request))).pipe(
      map((receivers) => Number(receivers) > 0),
    );
  }

  asked(clientId: string): Observable<SessionRequest> {
    return defer(() => this.#listener.listen(askChannel(clientId))).pipe(
      mergeMap((json) => {
        const request = json === undefined ? undefined : decodeRequest(askChannel(clientId), json);
        if (request === undefined) return EMPTY;
        if (E.isRight(request)) return of(request.right);
        this.#report('redis leases', request.left);
        return EMPTY;
      }),
    );
  }

  #released(): Observable<unknown> {
    return defer(() => this.#listener.listen(RELEASED_CHANNEL)).pipe(
      tap((by) => {
        this.#hears ||= by === undefined;
        this.#others.clear();
      }),
      filter((by) => by !== undefined && by !== this.#self.instance),
    );
  }

  #tellReleased(): Observable<unknown> {
    return this.#ask(() => this.#redis.spublish(RELEASED_CHANNEL, this.#self.instance));
  }

  #taken({ clientId }: SessionKey, owner = ''): Observable<string> {
    const key = leaseKey(clientId);
    return this.#ask(() => this.#redis.holdLease(key, this.#selfJson, this.ttlMs, owner)).pipe(
      tap((outcome) => outcome === 'overwrote' && this.#report('redis leases', overwritten(key))),
    );
  }

  /**
   * Registers a session that is held: from time to time, and at once if its lease was not there to be extended, as it
   * had run out, or all of Redis was wiped, with the registry.
   */
  #noted(session: SessionKey, outcome: string, startedAt: number): Observable<string> {
    const wasOurs = this.#oursUntil.has(session.clientId);
    if (!isHeld(outcome)) {
      this.#oursUntil.delete(session.clientId);
      return of(outcome);
    }
    this.#oursUntil.set(session.clientId, startedAt + this.ttlMs / 2);
    if (wasOurs && outcome !== 'held') this.#onGone();
    return this.#registry.held(session, outcome !== 'held').pipe(map(() => outcome));
  }

  /**
   * Another instance's lease is not read again before its time is over, unless a lease was given back or its process
   * has ended.
   */
  #sight(session: SessionKey): Observable<Sight> {
    return defer(() => {
      const { clientId } = session;
      const oursMs = (this.#oursUntil.get(clientId) ?? 0) - Date.now();
      if (oursMs > 0 && oursMs <= this.ttlMs) return of<Sight>({ tag: 'ours' });
      const seen = this.#others.get(clientId);
      const leftMs = (seen?.untilMs ?? 0) - Date.now();
      // More time left than a lease has: the clock was set back.
      const isKnown = leftMs > 0 && leftMs <= this.ttlMs;
      if (this.#hears && seen !== undefined && isKnown && !this.#isOwnerGone(seen.owner))
        return of<Sight>({ tag: 'another’s', leftMs });
      this.#others.delete(clientId);
      return this.#lookedAt(session);
    });
  }

  #lookedAt(session: SessionKey): Observable<Sight> {
    const key = leaseKey(session.clientId);
    return this.#ask(() => this.#redis.lookAtLease(key, this.ttlMs)).pipe(
      map(([owner, leftMs = 0]): Sight => {
        if (owner === undefined || this.#isOwnerGone(owner)) return { tag: 'orphan', session };
        const instance = this.#instanceIn(key, owner);
        if (instance === undefined) return { tag: 'orphan', session };
        if (instance === this.#self.instance) return { tag: 'ours' };
        this.#others.set(session.clientId, { untilMs: Date.now() + leftMs, owner });
        return { tag: 'another’s', leftMs };
      }),
    );
  }

  #instanceIn(key: string, json: string): string | undefined {
    const owner = decodeLeaseOwner(key, json);
    if (E.isRight(owner)) return owner.right.instance;
    this.#tell(owner.left);
    return undefined;
  }

  #isOwnerGone(json: string): boolean {
    const owner = decodeLeaseOwner('', json);
    return E.isRight(owner) && owner.right.process !== undefined && isGone(owner.right.process, this.#here);
  }
}

/** Leases that all instances on one Redis see. */
export const redisLeases = (options: RedisLeasesOptions): Leases => new RedisLeases(options);

const isHeld = (outcome: string): boolean => outcome === 'held' || outcome === 'took' || outcome === 'overwrote';

const overwritten = (key: string): UnreadableLease => new UnreadableLease(key, 'what was there was written over');
