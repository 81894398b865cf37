import * as E from 'fp-ts/Either';
import { catchError, concatMap, defer, EMPTY, from, of, tap, type Observable } from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import type { SessionKey } from '../../leases';
import type { Ask } from '../connection/commands';
import { isWrongType } from '../connection/wrong-type';
import type { LeaseScripts } from '../scripts/leases';
import { decodeRegistration, UnreadableLease } from './lease.codec';

/** All sessions that may have jobs, by client id, for instances to find those that they do not hold. */
export const SESSIONS_KEY = 'jobstream:sessions';

/** How often a held session is registered again, ms; sooner if a sweep did not find it, or its lease was gone. */
const REGISTER_MS = 30_000;

/** The commands that the registry needs. */
export type RegistryCommands = Pick<LeaseScripts, 'registerSession'> & {
  hgetall(key: string): Promise<Record<string, string>>;
  hdel(key: string, field: string): Promise<number>;
};

/** All sessions, whoever holds them: the hash `jobstream:sessions`. */
export class SessionRegistry {
  readonly #redis: RegistryCommands;
  readonly #ask: Ask;
  readonly #tell: (unreadable: UnreadableLease) => void;
  readonly #report: Report;
  /** When each session was last registered here, ms. */
  readonly #registeredAt = new Map<string, number>();

  /** `tell` is called with each value that cannot be read. */
  constructor(redis: RegistryCommands, ask: Ask, tell: (unreadable: UnreadableLease) => void, report: Report) {
    this.#redis = redis;
    this.#ask = ask;
    this.#tell = tell;
    this.#report = report;
  }

  /** Registers a session now. */
  register({ clientId, serverUrl }: SessionKey): Observable<unknown> {
    return this.#ask(() => this.#redis.registerSession(SESSIONS_KEY, clientId, JSON.stringify({ serverUrl }))).pipe(
      tap((outcome) => {
        if (outcome === 'overwrote')
          this.#report('redis leases', new UnreadableLease(SESSIONS_KEY, 'what was there was written over'));
      }),
    );
  }

  /** Registers a session that is held: if `now`, at once; else if it was not registered here within `REGISTER_MS`. */
  held(session: SessionKey, now: boolean): Observable<unknown> {
    return defer(() => {
      const { clientId } = session;
      if (!now && Date.now() - (this.#registeredAt.get(clientId) ?? 0) < REGISTER_MS) return of(undefined);
      return this.register(session).pipe(tap(() => this.#registeredAt.set(clientId, Date.now())));
    });
  }

  /** Forgets when a session was registered here. */
  forget(clientId: string): void {
    this.#registeredAt.delete(clientId);
  }

  /** Unregisters a session. */
  remove(clientId: string): Observable<unknown> {
    return this.#ask(() => this.#redis.hdel(SESSIONS_KEY, clientId));
  }

  /** Every readable session. One that was registered here and is missing is registered again at its next `held`. */
  sessions(): Observable<SessionKey> {
    return this.#ask(() => this.#redis.hgetall(SESSIONS_KEY)).pipe(
      catchError((error: unknown) => {
        if (!isWrongType(error)) throw error;
        this.#tell(new UnreadableLease(SESSIONS_KEY, 'what is there is no hash'));
        return of({});
      }),
      tap((registry) => {
        for (const clientId of this.#registeredAt.keys())
          if (!(clientId in registry)) this.#registeredAt.delete(clientId);
      }),
      concatMap((registry) => from(Object.entries(registry))),
      concatMap((entry) => this.#decoded(entry)),
    );
  }

  #decoded([clientId, json]: readonly [string, string]): Observable<SessionKey> {
    const registration = decodeRegistration(`${SESSIONS_KEY} ${clientId}`, json);
    if (E.isRight(registration)) return of({ clientId, serverUrl: registration.right.serverUrl });
    this.#tell(registration.left);
    return EMPTY;
  }
}
