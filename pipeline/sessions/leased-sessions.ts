import {
  EMPTY,
  Subject,
  concat,
  concatMap,
  defer,
  delay,
  exhaustMap,
  filter,
  finalize,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  of,
  share,
  take,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { SessionJobRequest } from '../../sinks/leases';
import type { Demand } from '../demand';
import type { Env } from '../env';
import { defaultHoldingPolicy, inheriting, type Holding, type HoldingEvent, type HoldingPolicy } from './lease-keeper';
import { OwnSessions } from './own-sessions';
import { lettingGo, RecoveredJobs } from './recovered-jobs';
import { recovery } from './recovery';
import type { SessionParts, Sessions } from './sessions';
import type { Session } from '../../streams/changes/job-changes';
import type { JobState } from '../../streams/job/job-state';
import { skippingErrors } from '../../streams/operators/reporting';

/** How often inherited sessions without jobs are given up, ms. */
const IDLE_MS = 30_000;
/**
 * How often the store is searched for jobs that no instance watches, ms: one that lost its lease may post some later.
 */
const LATECOMERS_MS = 10_000;
/** How long after this instance lost a session its successor is told, ms: by then ComfyUI has seen our socket close. */
const CLOSED_MS = 1_000;
/** How long another instance's request waits for a job that is not taken up here yet, ms. */
const KNOWN_MS = 5_000;

class LeasedSessions implements Sessions {
  readonly opened$: Observable<Session>;
  readonly demand$: Observable<Demand>;
  readonly recovered$: Observable<readonly JobState[]>;
  readonly #parts: SessionParts;
  readonly #env: Env;
  readonly #policy: HoldingPolicy;
  readonly #held = new Map<string, Holding>();
  readonly #isHeld = (clientId: string): boolean => this.#held.has(clientId);
  readonly #isServed = (serverUrl: string): boolean => this.#parts.servers.some(({ url }) => url === serverUrl);
  readonly #own: OwnSessions;
  readonly #recovered: RecoveredJobs;
  /** Sessions that were given back because they had no jobs left. */
  readonly #idle$ = new Subject<string>();
  /** Jobs that are not known here yet, with a cancel that waits for them. */
  readonly #cancelled = new Set<string>();
  readonly #held$: Observable<Extract<HoldingEvent, { readonly tag: 'held' }>>;
  readonly #lost$: Observable<Extract<HoldingEvent, { readonly tag: 'lost' }>>;

  constructor(parts: SessionParts, env: Env) {
    const { stop$ } = parts;
    this.#parts = parts;
    this.#env = env;
    this.#policy = { ...defaultHoldingPolicy, clock: env.clock, random: env.random };
    const [isHeld, isServed] = [this.#isHeld, this.#isServed];
    this.#own = new OwnSessions({ ...parts, leases: parts.store.leases, isHeld }, this.#policy, env.report);
    const isCertain = (clientId: string): boolean => this.lease(clientId) === 'certain';
    const own = (serverUrl: string): string => this.own(serverUrl);
    this.#recovered = new RecoveredJobs(
      recovery({ ...parts, isServed, isHeld, isCertain, own }, env),
      isHeld,
      env.tell,
    );
    const event$ = this.#events();
    this.#held$ = event$.pipe(filter((event) => event.tag === 'held'));
    this.#lost$ = event$.pipe(filter((event) => event.tag === 'lost'));
    this.opened$ = this.#sockets();
    this.demand$ = this.#demands();
    this.recovered$ = this.#recovered.batch$.pipe(takeUntil(stop$));
  }

  own(serverUrl: string): string {
    return this.#own.of(serverUrl);
  }

  ready(): Observable<never> {
    return this.#own.ready();
  }

  lease(clientId: string): 'none' | 'doubtful' | 'certain' {
    const mine = this.#held.get(clientId);
    return mine === undefined ? 'none' : mine.trusted() ? 'certain' : 'doubtful';
  }

  term(clientId: string): number {
    return this.#held.get(clientId)?.term() ?? 0;
  }

  leaseChanged(clientId: string): Observable<unknown> {
    const renewed$ = defer(() => this.#held.get(clientId)?.renewed$ ?? EMPTY);
    return merge(renewed$, this.#lost$.pipe(filter(({ holding }) => holding.clientId === clientId)));
  }

  release(): Observable<never> {
    const { leases } = this.#parts.store;
    const { report } = this.#env;
    return defer(() => [...this.#held.values()]).pipe(
      mergeMap((each) => {
        const idle = this.#isIdle(each);
        // `hold` registers the session first: if the store was away until now it is not registered, and after a release
        // no instance would find its jobs.
        const kept$ = idle ? EMPTY : leases.hold(each);
        return concat(kept$, leases.release(each, idle)).pipe(skippingErrors('lease', report));
      }),
      ignoreElements(),
    );
  }

  /** The sessions as they are taken and lost. */
  #events(): Observable<HoldingEvent> {
    const { store, stop$ } = this.#parts;
    const { clock, report } = this.#env;
    const [isHeld, isServed] = [this.#isHeld, this.#isServed];
    // Begins in a later turn, when all parts have subscribed: a shared stream repeats nothing.
    return timer(0, clock).pipe(
      concatMap(() => merge(this.#own.events(), inheriting(store.leases, isServed, isHeld, this.#policy, report))),
      tap((event) => {
        if (event.tag === 'held') for (const each of event.holdings) this.#held.set(each.clientId, each);
        else this.#forget(event.holding.clientId);
      }),
      takeUntil(stop$),
      share(),
    );
  }

  #forget(clientId: string): void {
    this.#held.delete(clientId);
    this.#recovered.forget(clientId);
  }

  #over(clientId: string): Observable<unknown> {
    return merge(
      this.#lost$.pipe(filter((event) => event.holding.clientId === clientId)),
      this.#idle$.pipe(filter((id) => id === clientId)),
    );
  }

  #sockets(): Observable<Session> {
    return this.#held$.pipe(
      mergeMap(({ holdings }) => holdings),
      mergeMap(({ clientId, serverUrl, inherited, trusted }): readonly Session[] => {
        const server = this.#parts.servers.find(({ url }) => url === serverUrl);
        const end$ = this.#over(clientId).pipe(take(1));
        return server === undefined ? [] : [{ ...server.session(clientId), inherited, mayOpen: trusted, end$ }];
      }),
    );
  }

  #demands(): Observable<Demand> {
    const { board, store, stop$ } = this.#parts;
    const takeUpAll$ = defer(() => this.#recovered.ofAll());
    const first$ = this.#held$.pipe(take(1));
    const inherited$ = this.#held$.pipe(
      map(({ holdings }) => holdings.filter(({ inherited }) => inherited).map(({ clientId }) => clientId)),
      filter((clientIds) => clientIds.length > 0),
    );
    const lost$ = this.#lost$.pipe(
      mergeMap(({ holding, heldMsAgo }) => lettingGo(board.ofSession(holding.clientId), heldMsAgo, this.#parts)),
    );
    return merge(
      // At the start, for jobs of no session that any instance holds.
      first$.pipe(concatMap(() => concat(this.ready(), takeUpAll$))),
      inherited$.pipe(concatMap((clientIds) => this.#recovered.of(clientIds))),
      interval(LATECOMERS_MS, this.#env.clock).pipe(exhaustMap(() => takeUpAll$)),
      // An instance that was cut off from the store may have posted jobs under a session that is held here. It stores
      // them before it gives its sessions back.
      store.leases.released$.pipe(exhaustMap(() => takeUpAll$)),
      lost$,
      this.#requests(),
      this.#evictions(),
      this.#forgotten(),
    ).pipe(takeUntil(stop$));
  }

  /** The requests of other instances to the sessions held here, each passed on once its job is known here. */
  #requests(): Observable<Demand> {
    const { leases } = this.#parts.store;
    return this.#held$.pipe(
      mergeMap(({ holdings }) => holdings),
      mergeMap(({ clientId }) => leases.asked(clientId).pipe(takeUntil(this.#over(clientId)))),
      mergeMap((request) => (request.tag === 'evicted' ? of(request) : this.#whenKnown(request))),
    );
  }

  /** Has the successor check its socket: when this instance closes its own late, ComfyUI may drop the new one (R7). */
  #evictions(): Observable<never> {
    const { leases } = this.#parts.store;
    const { clock, report } = this.#env;
    return this.#lost$.pipe(
      delay(CLOSED_MS, clock),
      mergeMap(({ holding: { clientId } }) =>
        leases.ask(clientId, { tag: 'evicted', clientId }).pipe(skippingErrors('lease', report)),
      ),
      ignoreElements(),
    );
  }

  /** Passes a request on once its job is taken up here; drops it after `KNOWN_MS`, as the other instance asks again. */
  #whenKnown(request: SessionJobRequest): Observable<Demand> {
    const { promptId, tag } = request;
    const { board, told } = this.#parts;
    const isKnown = (): boolean => board.job(promptId) !== undefined;
    const demand$ = of<Demand>(request).pipe(filter(isKnown));
    if (isKnown()) return demand$;
    // The other instance repeats its cancel until the stored state shows it: only one waits here.
    if (tag === 'cancel' && this.#cancelled.has(promptId)) return EMPTY;
    if (tag === 'cancel') this.#cancelled.add(promptId);
    const known$ = told(promptId).pipe(take(1), ignoreElements(), takeUntil(timer(KNOWN_MS, this.#env.clock)));
    return concat(known$, demand$).pipe(finalize(() => tag === 'cancel' && this.#cancelled.delete(promptId)));
  }

  /** Gives up inherited sessions whose jobs are all settled. */
  #forgotten(): Observable<never> {
    const { leases } = this.#parts.store;
    const { clock, report } = this.#env;
    return interval(IDLE_MS, clock).pipe(
      mergeMap(() => [...this.#held.values()].filter((each) => each.inherited && this.#isIdle(each))),
      mergeMap((each) => {
        this.#forget(each.clientId);
        this.#idle$.next(each.clientId);
        return leases.release(each, true).pipe(skippingErrors('lease', report));
      }),
    );
  }

  #isIdle({ clientId, inherited }: Holding): boolean {
    const { transit, board } = this.#parts;
    const isLoaded = !inherited || this.#recovered.isLoaded(clientId);
    return isLoaded && transit.isEmpty() && board.countOfSession(clientId) === 0;
  }
}

/** The sessions of one instance. */
export const sessions = (parts: SessionParts, env: Env): Sessions => new LeasedSessions(parts, env);
