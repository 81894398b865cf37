import { randomUUID } from 'node:crypto';
import * as E from 'fp-ts/Either';
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  filter,
  from,
  ignoreElements,
  map,
  mergeMap,
  of,
  reduce,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { decodeLeaseOwner, decodeRegistration, decodeRequest, UnreadableLease, type LeaseOwner } from './lease.codec';
import type { LeaseScripts } from '../scripts/leases';
import type { LeaseOutcome, Leases, SessionKey } from '../../leases';
import { withSight, type Orphans, type Sight } from './sight';
import { isGone, thisProcess } from '../../process-identity';
import type { RedisListener } from '../connection/listener';

/** Every session that may have jobs, by client id: whoever holds none of them can still find them. */
export const SESSIONS_KEY = 'jobstream:sessions';

/** Where instances tell each other that a session was given back, with their own name. */
export const RELEASED_CHANNEL = 'jobstream:released';

/** How often a session that is held is registered again; sooner where a sweep does not find it, or its lease was gone. */
const REGISTER_MS = 30_000;

/** Leases looked at in one go. */
const LOOKS = 256;

export const leaseKey = (clientId: string): string => `jobstream:lease:{${clientId}}`;

/** The sharded channel on which a session's holder is asked. */
export const askChannel = (clientId: string): string => `jobstream:ask:{${clientId}}`;

/** The commands that leases are made of. */
export type LeaseCommands = LeaseScripts & {
  hgetall(key: string): Promise<Record<string, string>>;
  hdel(key: string, field: string): Promise<number>;
  spublish(channel: string, message: string): Promise<unknown>;
};

export interface RedisLeasesOptions {
  readonly redis: LeaseCommands;
  /** Runs a command; errors with `StoreUnavailable`. */
  readonly ask: <T>(command: () => Promise<T>) => Observable<T>;
  readonly listener: RedisListener;
  readonly ttlMs: number;
  readonly report: Report;
}

/**
 * Leases in Redis: `jobstream:lease:{<clientId>}` names the owner and runs out by itself; the hash `jobstream:sessions`
 * names all sessions. A session is registered before its lease is taken and unregistered after it is deleted, so that
 * no crash in between loses one. An owner whose process is known to be gone, as on the same machine, counts as none.
 */
export function redisLeases({ redis, ask, listener, ttlMs, report }: RedisLeasesOptions): Leases {
  const here = thisProcess();
  const self: LeaseOwner = { instance: randomUUID(), ...(here !== undefined && { process: here }) };
  const selfJson = JSON.stringify(self);
  const told = new Set<string>();
  /** When each session was last registered here. */
  const registeredAt = new Map<string, number>();
  /** Until when another's lease need not be looked at, by its owner as stored. Only while we hear what is given back. */
  const others = new Map<string, { readonly untilMs: number; readonly owner: string }>();
  let hears = false;
  /** Until when a lease that was taken or extended here is surely ours. */
  const oursUntil = new Map<string, number>();

  /** Once: the same garbage is met at every sweep. */
  function tell(unreadable: UnreadableLease): void {
    if (!told.has(unreadable.key)) report('redis leases', unreadable);
    told.add(unreadable.key);
  }

  const ownerGone = (json: string): boolean => {
    const owner = decodeLeaseOwner('', json);
    return E.isRight(owner) && owner.right.process !== undefined && isGone(owner.right.process, here);
  };

  const registered = ({ clientId, serverUrl }: SessionKey): Observable<unknown> =>
    ask(() => redis.registerSession(SESSIONS_KEY, clientId, JSON.stringify({ serverUrl }))).pipe(
      tap((outcome) => outcome === 'overwrote' && report('redis leases', overwritten(SESSIONS_KEY))),
    );

  /** Before its lease is taken, and now and then while it is held. Emits whether that was now. */
  function lately(session: SessionKey): Observable<boolean> {
    return defer(() => {
      const { clientId } = session;
      if (Date.now() - (registeredAt.get(clientId) ?? 0) < REGISTER_MS) return of(false);
      return registered(session).pipe(
        tap(() => registeredAt.set(clientId, Date.now())),
        map(() => true),
      );
    });
  }

  function taken({ clientId }: SessionKey, owner = ''): Observable<string> {
    const key = leaseKey(clientId);
    return ask(() => redis.holdLease(key, selfJson, ttlMs, owner)).pipe(
      tap((outcome) => outcome === 'overwrote' && report('redis leases', overwritten(key))),
    );
  }

  /** A lease that was not there to be extended ran out, or all was wiped: then the registry may be as well. */
  function noted(session: SessionKey, outcome: string, startedAt: number, isRegistered: boolean): Observable<string> {
    if (!isHeld(outcome)) return of(outcome);
    oursUntil.set(session.clientId, startedAt + ttlMs / 2);
    return outcome === 'held' || isRegistered ? of(outcome) : registered(session).pipe(map(() => outcome));
  }

  const released = (clientId: string, forget: boolean): Observable<never> =>
    ask(() => redis.releaseLease(leaseKey(clientId), selfJson)).pipe(
      filter((outcome) => outcome === 1),
      mergeMap(() =>
        ask(() => (forget ? redis.hdel(SESSIONS_KEY, clientId) : redis.spublish(RELEASED_CHANNEL, self.instance))),
      ),
      ignoreElements(),
    );

  /** A lease of another runs out no sooner than it said, unless it is given back, or its process seen to be gone. */
  function sight(session: SessionKey): Observable<Sight> {
    return defer(() => {
      const { clientId } = session;
      if (Date.now() < (oursUntil.get(clientId) ?? 0)) return of<Sight>({ tag: 'ours' });
      const seen = others.get(clientId);
      const leftMs = (seen?.untilMs ?? 0) - Date.now();
      if (hears && seen !== undefined && leftMs > 0 && !ownerGone(seen.owner))
        return of<Sight>({ tag: 'another’s', leftMs });
      others.delete(clientId);
      return looked(session);
    });
  }

  function looked(session: SessionKey): Observable<Sight> {
    const key = leaseKey(session.clientId);
    return ask(() => redis.lookAtLease(key, ttlMs)).pipe(
      map(([owner, leftMs = 0]): Sight => {
        if (owner === undefined || ownerGone(owner)) return { tag: 'orphan', session };
        const { instance } = instanceIn(key, owner);
        if (instance === undefined) return { tag: 'orphan', session };
        if (instance === self.instance) return { tag: 'ours' };
        others.set(session.clientId, { untilMs: Date.now() + leftMs, owner });
        return { tag: 'another’s', leftMs };
      }),
    );
  }

  function instanceIn(key: string, json: string): Partial<LeaseOwner> {
    const owner = decodeLeaseOwner(key, json);
    if (E.isRight(owner)) return owner.right;
    tell(owner.left);
    return {};
  }

  function session([clientId, json]: readonly [string, string]): Observable<SessionKey> {
    const registration = decodeRegistration(`${SESSIONS_KEY} ${clientId}`, json);
    if (E.isRight(registration)) return of({ clientId, serverUrl: registration.right.serverUrl });
    tell(registration.left);
    return EMPTY;
  }

  const sessions$ = ask(() => redis.hgetall(SESSIONS_KEY)).pipe(
    catchError((error: unknown) => {
      if (!(error as Error).message.includes('WRONGTYPE')) return throwError(() => error);
      tell(new UnreadableLease(SESSIONS_KEY, 'what is there is no hash'));
      return of({});
    }),
    tap((registry) =>
      [...registeredAt.keys()].forEach((clientId) => clientId in registry || registeredAt.delete(clientId)),
    ),
    concatMap((registry) => from(Object.entries(registry))),
    concatMap(session),
  );

  const leases: Leases = {
    ttlMs,

    hold: (session) =>
      defer(() => {
        const startedAt = Date.now();
        return lately(session).pipe(
          mergeMap((isRegistered) =>
            taken(session).pipe(
              mergeMap((outcome) => (isHeld(outcome) || !ownerGone(outcome) ? of(outcome) : taken(session, outcome))),
              mergeMap((outcome) => noted(session, outcome, startedAt, isRegistered)),
            ),
          ),
          map((outcome): LeaseOutcome => (isHeld(outcome) ? 'held' : 'taken')),
        );
      }),

    release: ({ clientId }, forget = false) =>
      defer(() => {
        registeredAt.delete(clientId);
        oursUntil.delete(clientId);
        return released(clientId, forget);
      }),

    note: (session) => registered(session).pipe(ignoreElements()),

    orphans: () => sessions$.pipe(mergeMap(sight, LOOKS), reduce(withSight, { sessions: [] } as Orphans)),

    released$: defer(() => listener.listen(RELEASED_CHANNEL)).pipe(
      tap((by) => {
        hears ||= by === undefined;
        others.clear();
      }),
      filter((by) => by !== undefined && by !== self.instance),
    ),

    ask: (clientId, request) =>
      ask(() => redis.spublish(askChannel(clientId), JSON.stringify(request))).pipe(
        map((receivers) => Number(receivers) > 0),
      ),

    asked: (clientId) =>
      defer(() => listener.listen(askChannel(clientId))).pipe(
        mergeMap((json) => {
          const request = json === undefined ? undefined : decodeRequest(askChannel(clientId), json);
          if (request === undefined) return EMPTY;
          if (E.isRight(request)) return of(request.right);
          report('redis leases', request.left);
          return EMPTY;
        }),
      ),
  };
  return leases;
}

const isHeld = (outcome: string): boolean => outcome === 'held' || outcome === 'took' || outcome === 'overwrote';

const overwritten = (key: string): UnreadableLease => new UnreadableLease(key, 'what was there was written over');
