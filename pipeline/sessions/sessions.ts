import { randomUUID } from 'node:crypto';
import {
  EMPTY,
  ReplaySubject,
  Subject,
  concat,
  concatMap,
  defer,
  exhaustMap,
  filter,
  from,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  of,
  repeat,
  share,
  take,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { Demand, StoredJob } from '../demand';
import type { Env } from '../env';
import { defaultHoldingPolicy, holding, inheriting, type Holding, type HoldingEvent } from './lease-keeper';
import { recovery } from './recovery';
import type { Telemetry } from '../telemetry/telemetry-event';
import { takingOver } from '../telemetry/taking-over';
import type { Transit } from '../transit';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';
import type { Session } from '../../streams/changes/job-changes';
import type { JobState } from '../../streams/job/job-state';
import { orNothing, reporting } from '../../streams/operators/reporting';

/** How often is seen whether an inherited session still has jobs. */
const IDLE_MS = 30_000;
/** How often the store is searched for jobs nobody watches. An instance that lost its lease without noticing may still have posted some. */
const LATECOMERS_MS = 10_000;
/** How long is waited for a job that another instance asks for before it is known here. */
const KNOWN_MS = 5_000;
/** Batches of recovered jobs that a late subscriber is told of. */
const BATCHES = 16;

export interface SessionParts {
  readonly servers: readonly {
    readonly url: string;
    readonly clientId?: string;
    readonly session: (clientId: string) => Session;
  }[];
  readonly store: JobStore;
  readonly writer: Pick<WriteBehind, 'write' | 'waiting'>;
  readonly board: BoardView;
  readonly transit: Transit;
  /** The changes of a job here, from now on. */
  readonly told: (promptId: string) => Observable<JobState>;
  readonly stop$: Observable<unknown>;
  readonly tell: Telemetry | undefined;
}

/** Which sessions this instance holds, and the jobs that come and go with them. */
export interface Sessions {
  /** The client id under which new jobs are posted to a server. */
  readonly own: (serverUrl: string) => string;
  /** Whether a session is held here, and whether it is certain that no other instance can hold it now. */
  readonly lease: (clientId: string) => 'none' | 'doubtful' | 'certain';
  /** Sessions as they are held: sockets to be opened. */
  readonly opened$: Observable<Session>;
  /** Jobs to be taken up and let go, and what other instances ask for. */
  readonly demand$: Observable<Demand>;
  /** Jobs taken up in one go, at the start or after another instance's end; the last few batches are repeated to late subscribers. */
  readonly recovered$: Observable<readonly JobState[]>;
  /** Gives every session back: at once to whoever sweeps next, or for ever where it has no jobs. */
  readonly release: () => Observable<never>;
}

export function sessions(
  { servers, store, writer, board, transit, told, stop$, tell }: SessionParts,
  env: Env,
): Sessions {
  const { clock, random, report } = env;
  const policy = { ...defaultHoldingPolicy, clock, random };
  const { leases } = store;
  const held = new Map<string, Holding>();
  /** Inherited sessions all of whose stored jobs have been loaded. Only for these does "no job on the board" mean "no job left". */
  const loaded = new Set<string>();
  const own = new Map(servers.map(({ url, clientId }) => [url, clientId ?? randomUUID()]));
  const batch$ = new ReplaySubject<readonly JobState[]>(BATCHES);
  /** Sessions that were given back because they had no jobs left. */
  const idle$ = new Subject<string>();

  const isHeld = (clientId: string): boolean => held.has(clientId);
  const isServed = (serverUrl: string): boolean => servers.some(({ url }) => url === serverUrl);
  const ownOf = (serverUrl: string): string => own.get(serverUrl) ?? '';
  const looks = recovery({ store, writer, board, transit, isServed, isHeld, own: ownOf }, env);

  /** The session under which we post to a server; another one if it is ever lost. */
  const ours = (serverUrl: string): Observable<HoldingEvent> =>
    defer(() => {
      const session = { clientId: ownOf(serverUrl), serverUrl };
      const mine = holding(leases, session, undefined, isHeld, policy, report);
      const lost$ = mine.lost$.pipe(tap(() => own.set(serverUrl, randomUUID())));
      return concat(of<HoldingEvent>({ tag: 'held', holdings: [mine.holding] }), lost$);
    }).pipe(repeat());

  const forget = (clientId: string): void => {
    held.delete(clientId);
    loaded.delete(clientId);
  };
  // Begins when everybody listens: a shared stream repeats nothing.
  const event$ = timer(0, clock).pipe(
    concatMap(() =>
      merge(...servers.map(({ url }) => ours(url)), inheriting(leases, isServed, isHeld, policy, report)),
    ),
    tap((event) => {
      if (event.tag === 'held') for (const each of event.holdings) held.set(each.clientId, each);
      else forget(event.holding.clientId);
    }),
    takeUntil(stop$),
    share(),
  );
  const held$ = event$.pipe(filter((event) => event.tag === 'held'));
  const lost$ = event$.pipe(filter((event) => event.tag === 'lost'));
  const overOf = (clientId: string): Observable<unknown> =>
    merge(
      lost$.pipe(filter((event) => event.holding.clientId === clientId)),
      idle$.pipe(filter((id) => id === clientId)),
    );

  const isIdle = ({ clientId, inherited }: Holding): boolean =>
    (!inherited || loaded.has(clientId)) && transit.isEmpty() && board.countOfSession(clientId) === 0;
  /** Forgets inherited sessions whose jobs are all settled. */
  const forgotten$ = interval(IDLE_MS, clock).pipe(
    mergeMap(() => [...held.values()].filter((each) => each.inherited && isIdle(each))),
    mergeMap((each) => {
      forget(each.clientId);
      idle$.next(each.clientId);
      return leases.release(each, true).pipe(reporting('lease', report), orNothing);
    }),
  );

  const opened$ = held$.pipe(
    mergeMap(({ holdings }) => holdings),
    mergeMap(({ clientId, serverUrl, inherited, trusted }): readonly Session[] => {
      const server = servers.find(({ url }) => url === serverUrl);
      const end$ = overOf(clientId).pipe(take(1));
      return server === undefined ? [] : [{ ...server.session(clientId), inherited, mayOpen: trusted, end$ }];
    }),
  );

  const takeUp = (sessions: readonly string[], look$: Observable<readonly StoredJob[]>): Observable<Demand> =>
    look$.pipe(
      tap((jobs) => {
        sessions.filter(isHeld).forEach((clientId) => loaded.add(clientId));
        if (jobs.length > 0) batch$.next(jobs.map(({ state }) => state));
      }),
      mergeMap((jobs) => jobs.map((job): Demand => ({ tag: 'takeUp', job }))),
    );
  // What it leaves out may be a job of a session that is inherited meanwhile.
  const takeUpAll$ = defer(() => takeUp([], looks.ofAll()));
  const takeUpOf = (clientIds: readonly string[]): Observable<Demand> =>
    takeUp(clientIds, looks.of(clientIds).pipe(takingOver(clientIds.length, tell)));
  const inherited$ = held$.pipe(
    map(({ holdings }) => holdings.filter(({ inherited }) => inherited).map(({ clientId }) => clientId)),
    filter((clientIds) => clientIds.length > 0),
  );

  /** Another instance may ask for a job before it is taken up here. */
  const whenKnown = (promptId: string): Observable<Demand> =>
    concat(
      defer(() => (board.job(promptId) === undefined ? told(promptId) : EMPTY)).pipe(
        take(1),
        ignoreElements(),
        takeUntil(timer(KNOWN_MS, clock)),
      ),
      of<Demand>({ tag: 'cancel', promptId }),
    ).pipe(filter(() => board.job(promptId) !== undefined));
  const request$ = held$.pipe(
    mergeMap(({ holdings }) => holdings),
    mergeMap(({ clientId }) => leases.asked(clientId).pipe(takeUntil(overOf(clientId)))),
    mergeMap(({ promptId }) => whenKnown(promptId)),
  );

  const demand$ = merge(
    // The first time for the jobs that are nobody's.
    held$.pipe(
      take(1),
      concatMap(() => takeUpAll$),
    ),
    inherited$.pipe(concatMap(takeUpOf)),
    interval(LATECOMERS_MS, clock).pipe(exhaustMap(() => takeUpAll$)),
    // What was given back may belong to a session that is held here: a job posted by an instance cut off from the store.
    leases.released$.pipe(exhaustMap(() => takeUpAll$)),
    lost$.pipe(
      mergeMap(({ holding: { clientId } }) => board.ofSession(clientId)),
      map(({ state: { promptId } }): Demand => ({ tag: 'letGo', promptId })),
    ),
    request$,
    forgotten$,
  ).pipe(takeUntil(stop$));

  return {
    own: ownOf,
    lease: (clientId) => {
      const mine = held.get(clientId);
      return mine === undefined ? 'none' : mine.trusted() ? 'certain' : 'doubtful';
    },
    opened$,
    demand$,
    recovered$: batch$.pipe(takeUntil(stop$)),
    release: () =>
      from([...held.values()]).pipe(
        mergeMap((each) => {
          const idle = isIdle(each);
          // Held first: what was never registered, as in an outage of the store, nobody could find.
          const kept$ = idle ? EMPTY : leases.hold(each);
          return concat(kept$, leases.release(each, idle)).pipe(reporting('lease', report), orNothing);
        }),
        ignoreElements(),
      ),
  };
}
