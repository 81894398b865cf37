import { randomUUID } from 'node:crypto';
import {
  EMPTY,
  ReplaySubject,
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
import { holding, inheriting, type Holding, type HoldingEvent, type HoldingPolicy } from './lease-keeper';
import type { JobStore } from '../sinks/job-store';
import type { Request } from '../sinks/leases';
import type { Backoff } from '../streams/operators/backoff';
import type { Board, BoardEvent } from '../streams/board/board';
import type { Session } from '../streams/job-changes';
import { sessionOf, type JobState } from '../streams/job/job-state';
import { orNothing, reporting, type Report } from '../streams/operators/reporting';
import type { Prompt } from '../streams/job/workflow';
import { takingUp } from './recovery';

/** How often is seen whether an inherited session still has jobs. */
const IDLE_MS = 30_000;
/** How often is looked for jobs that were posted under a session by who did not know yet that it was taken, or forgotten. */
const LATECOMERS_MS = 10_000;
/** How long, and how often, is waited for a job that is asked for before it is known. */
const KNOWN_MS = 5_000;
const KNOWN_TICK_MS = 50;

export interface OwnershipParts {
  readonly servers: readonly { readonly url: string; readonly session: (clientId: string) => Session }[];
  readonly store: JobStore;
  readonly board: Board;
  readonly stop$: Observable<unknown>;
  /** Whether a job is on its way from the store to the board: it is no orphan, though nobody watches it yet. */
  readonly isComing: (promptId: string) => boolean;
  /** Posts a job that may have been posted before, or not. */
  readonly resumed: (state: JobState, prompt: Prompt) => Observable<BoardEvent>;
  /** Stops a job of ours. */
  readonly cancel: (promptId: string) => Observable<BoardEvent>;
  readonly policy: HoldingPolicy;
  readonly backoff: Backoff;
  readonly report: Report;
}

/** Which sessions this instance holds, and the jobs that come and go with them. */
export interface Ownership {
  /** The client id under which new jobs are posted to a server. */
  readonly own: (serverUrl: string) => string;
  readonly isHeld: (clientId: string) => boolean;
  /** Whether a session is held here and no other instance can hold it now. */
  readonly isTrusted: (clientId: string) => boolean;
  /** Sessions as they are held: sockets to be opened. */
  readonly session$: Observable<Session>;
  /** Jobs taken up and let go, and what other instances ask for. */
  readonly command$: Observable<Observable<BoardEvent>>;
  /** Jobs taken up in one go, at the start or after another instance's end; the last few batches are repeated to late subscribers. */
  readonly recovered: Observable<readonly JobState[]>;
  /** Gives every session back: at once to whoever sweeps next, or for ever where it has no jobs. */
  readonly giveBack: () => Observable<never>;
}

export function ownership(parts: OwnershipParts): Ownership {
  const { servers, store, board, stop$, policy, backoff, report } = parts;
  const { leases } = store;
  const { clock } = policy;
  const held = new Map<string, Holding>();
  /** The inherited sessions all of whose stored jobs are here: of the others, having none here means nothing. */
  const takenUp = new Set<string>();
  const own = new Map(servers.map(({ url }) => [url, randomUUID() as string]));
  const recovered = new ReplaySubject<readonly JobState[]>(16);

  const jobsOf = (clientId: string): readonly JobState[] =>
    [...board.jobs.values()].map(({ state }) => state).filter((state) => sessionOf(state) === clientId);
  const isHeld = (clientId: string): boolean => held.has(clientId);
  const isServed = (serverUrl: string): boolean => servers.some(({ url }) => url === serverUrl);
  const ownOf = (serverUrl: string): string => own.get(serverUrl) ?? '';
  const { isComing, resumed } = parts;
  const taking = takingUp({ store, board, isServed, isHeld, own: ownOf, isComing, resumed, backoff, clock, report });

  /** The session under which we post to a server; another one if it is ever lost. */
  const owned = (serverUrl: string): Observable<HoldingEvent> =>
    defer(() => {
      const mine = holding(
        leases,
        { clientId: own.get(serverUrl) ?? '', serverUrl },
        undefined,
        isHeld,
        policy,
        report,
      );
      return concat(
        of<HoldingEvent>({ tag: 'held', holdings: [mine.holding] }),
        mine.lost$.pipe(tap(() => own.set(serverUrl, randomUUID()))),
      );
    }).pipe(repeat());

  // Begins when everybody listens: a shared stream repeats nothing.
  const event$ = timer(0, clock).pipe(
    concatMap((): Observable<HoldingEvent> =>
      merge(...servers.map(({ url }) => owned(url)), inheriting(leases, isServed, isHeld, policy, report)),
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

  const forget = (clientId: string): void => {
    held.delete(clientId);
    takenUp.delete(clientId);
  };
  const isIdle = ({ clientId, inherited }: Holding): boolean =>
    (!inherited || takenUp.has(clientId)) && taking.isIdle() && jobsOf(clientId).length === 0;

  /** An inherited session whose jobs are all settled is forgotten. */
  const idle$ = interval(IDLE_MS, clock).pipe(
    mergeMap(() => [...held.values()].filter((each) => each.inherited && isIdle(each))),
    tap(({ clientId }) => forget(clientId)),
    mergeMap((each) =>
      concat(of(each.clientId), leases.release(each, true).pipe(reporting('lease', report), orNothing)),
    ),
    takeUntil(stop$),
    share(),
  );

  const session$ = held$.pipe(
    mergeMap(({ holdings }) => holdings),
    filter(({ serverUrl }) => isServed(serverUrl)),
    map(({ clientId, serverUrl, inherited, trusted }): Session => {
      const end$ = merge(
        lost$.pipe(filter((event) => event.holding.clientId === clientId)),
        idle$.pipe(filter((idle) => idle === clientId)),
      ).pipe(take(1));
      const server = servers.find(({ url }) => url === serverUrl);
      if (server === undefined) throw new Error('unreachable: a session of no server of ours');
      return { ...server.session(clientId), inherited, mayOpen: trusted, end$ };
    }),
  );

  const takeUp$ = defer(() => {
    const heldBefore = [...held.keys()];
    return taking.all$.pipe(
      tap(({ states }) => {
        heldBefore.filter(isHeld).forEach((clientId) => takenUp.add(clientId));
        if (states.length > 0) recovered.next(states);
      }),
      map(({ command$ }) => command$),
    );
  });

  const letGo = (promptIds: readonly string[]): Observable<BoardEvent> =>
    from(promptIds.map((promptId): BoardEvent => ({ tag: 'released', promptId })));

  /** What other instances ask of the sessions held here. */
  const asked$ = held$.pipe(
    mergeMap(({ holdings }) => holdings),
    mergeMap(({ clientId }) =>
      leases.asked(clientId).pipe(takeUntil(lost$.pipe(filter((event) => event.holding.clientId === clientId)))),
    ),
    map(({ promptId }: Request) => whenKnown(promptId).pipe(concatMap(() => parts.cancel(promptId)))),
  );

  /** A session may be asked before its jobs are taken up. */
  const whenKnown = (promptId: string): Observable<unknown> =>
    timer(0, KNOWN_TICK_MS, clock).pipe(
      filter(() => board.job(promptId) !== undefined),
      take(1),
      takeUntil(timer(KNOWN_MS, clock)),
    );

  const command$ = merge(
    // The first time for the jobs that are nobody's.
    held$.pipe(
      filter(({ holdings }, index) => index === 0 || holdings.some(({ inherited }) => inherited)),
      concatMap(() => takeUp$),
    ),
    interval(LATECOMERS_MS, clock).pipe(exhaustMap(() => takeUp$)),
    // What was given back may belong to a session that is held here: a job posted by an instance cut off from the store.
    leases.released$.pipe(exhaustMap(() => takeUp$)),
    lost$.pipe(map((event) => letGo(jobsOf(event.holding.clientId).map(({ promptId }) => promptId)))),
    asked$,
  ).pipe(takeUntil(stop$));

  return {
    own: ownOf,
    isHeld,
    isTrusted: (clientId) => held.get(clientId)?.trusted() === true,
    session$,
    command$,
    recovered,
    giveBack: () =>
      from([...held.values()]).pipe(
        mergeMap((each) => {
          const idle = isIdle(each);
          // Held first: what was never registered, as in an outage of the store, nobody could find.
          return concat(idle ? EMPTY : leases.hold(each), leases.release(each, idle)).pipe(
            reporting('lease', report),
            orNothing,
          );
        }),
        ignoreElements(),
      ),
  };
}
