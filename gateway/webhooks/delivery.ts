import {
  concat,
  concatMap,
  defer,
  EMPTY,
  exhaustMap,
  expand,
  filter,
  finalize,
  firstValueFrom,
  from,
  interval,
  map,
  merge,
  mergeMap,
  of,
  ReplaySubject,
  share,
  take,
  takeUntil,
  timer,
  type MonoTypeOperatorFunction,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import { StoreUnavailable } from '../../sinks/job-store';
import type { Hook, Hooks } from '../../sinks/webhook-queue';
import type { Backoff } from '../../streams/operators/backoff';
import { isSettled, type JobState } from '../../streams/job/job-state';
import type { Viewer } from '../admission/auth/auth';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, type Report } from '../../streams/operators/reporting';
import type { JobViews } from '../wire/job-views';
import { outageReports } from './outage-reports';
import { carriedOf, type Carried } from './carried';
import { fairQueue } from './fair-queue';
import { rememberedHooks, type RememberedHooks } from './remembered-hooks';
import type { Webhook } from './webhook.codec';
import { GaveUp, type Outcome, type WebhookSender } from './sender';

export interface DeliveryOptions {
  readonly pipeline: Pick<Pipeline, 'get' | 'states$'>;
  readonly views: JobViews;
  readonly hooks: Hooks;
  readonly send: WebhookSender['send'];
  readonly clock: SchedulerLike;
  readonly random: () => number;
  readonly report: Report;
}

/** Tells other servers of settled jobs: at least once each, by one instance at a time, until it is taken or a day is over. */
export interface Delivery {
  /** Has a job's end told to a URL. Resolves once that is kept, or after 2 s in which the store does not answer; then it is tried on. */
  add(job: Pick<JobState, 'promptId' | 'userId'>, url: string, viewer: Pick<Viewer, 'role'>): Promise<void>;
  /** Breaks attempts off; another instance, or the next run, makes them again. */
  close(): void;
}

const TICK_MS = 1_000;
/** A job whose end nobody told of is looked at so often: its instance may have died. */
const LOOK_MS = 30_000;
/** What is told here is in the store by then, if that answers. */
const STORED_MS = 2_000;
/** Longer than an attempt takes. */
const CLAIM_MS = 30_000;
/** What waits here for its turn for so long is given back for about so long; an attempt still fits into its claim then. */
const WAITED_MS = 10_000;
const AGAIN_MS = 5_000;
/** As many are claimed at a time. */
const BATCH = 200;
/** How often more is claimed at a time, where what was claimed cannot be carried yet. */
const ROUNDS = 20;
/** How long `add` keeps its caller waiting. */
const PATIENCE_MS = 2_000;
/** Waits between attempts, then the last again and again. */
const WAITS_MS = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000];
const DAY_MS = 24 * 3_600_000;
/** No job is found for so long only if there is none. */
const UNKNOWN_MS = 3 * 3_600_000;

class HookDelivery implements Delivery {
  readonly #options: DeliveryOptions & { readonly hooks: RememberedHooks };
  readonly #queue = fairQueue<Carried>();
  readonly #stop$ = new ReplaySubject<void>(1);
  readonly #told: <T>() => MonoTypeOperatorFunction<T>;

  constructor(options: DeliveryOptions) {
    const { pipeline, hooks, clock } = options;
    this.#told = outageReports('webhooks', options.report);
    const get: Pipeline['get'] = (promptId) => pipeline.get(promptId);
    this.#options = { ...options, hooks: rememberedHooks(hooks, get, clock, this.#told) };
    this.#begin();
  }

  async add(
    { promptId, userId }: Pick<JobState, 'promptId' | 'userId'>,
    url: string,
    { role }: Pick<Viewer, 'role'>,
  ): Promise<void> {
    const { hooks, clock, random } = this.#options;
    const byService = role === 'service';
    const webhook: Webhook = { url, at: clock.now(), attempts: 0, userId, ...(byService && { byService }) };
    const hook = { promptId, text: JSON.stringify(webhook) };
    const persistent: Backoff = { steadyMs: 0, delayMs: () => 500 + 500 * random() };
    const kept$ = concat(
      defer(() => hooks.add(hook, LOOK_MS)),
      this.#hurriedIfOver(promptId),
      of('kept'),
    ).pipe(
      this.#told(),
      reconnecting({ backoff: persistent, clock, isTransient: (error) => error instanceof StoreUnavailable }),
      takeUntil(this.#stop$),
      share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: false }),
    );
    kept$.subscribe();
    await firstValueFrom(merge(kept$, timer(PATIENCE_MS, clock)).pipe(take(1)), { defaultValue: undefined });
  }

  close(): void {
    this.#stop$.next();
  }

  /** Claims every second, and whenever a job settles here; carries what is claimed in turn. */
  #begin(): void {
    const { pipeline, hooks, clock } = this.#options;
    // Another instance may claim it before the end is in the store, and put it off for half a minute: it is hurried again.
    const settled$ = pipeline.states$.pipe(
      filter((state) => isSettled(state)),
      mergeMap((state) => merge(of(state), timer(STORED_MS, clock).pipe(map(() => state)))),
      mergeMap(({ promptId }) => concat(this.#quietly(hooks.hurry(promptId)), of(promptId))),
      share(),
    );
    const begun$ = defer(() => from(this.#queue.begin()));
    merge(interval(TICK_MS, clock), settled$, hooks.rescued$)
      .pipe(
        exhaustMap(() => this.#round()),
        mergeMap(() => begun$),
        // Each that is over makes room for others.
        expand((errand) => concat(this.#carriedOut(errand), begun$)),
        takeUntil(this.#stop$),
      )
      .subscribe();
  }

  /** Gives back what waited for too long, and claims as often as what is claimed has to be given back. */
  #round(): Observable<boolean> {
    const { clock } = this.#options;
    const overdue = this.#queue.overdue(clock.now(), WAITED_MS).map((each) => this.#postponed(each));
    const claim$ = defer(() => this.#claimed());
    return concat(merge(...overdue), claim$).pipe(expand((more, n) => (more && n < ROUNDS ? claim$ : EMPTY)));
  }

  #claimed(): Observable<boolean> {
    const room = this.#queue.room();
    if (room === 0) return EMPTY;
    return this.#quietly(this.#options.hooks.claim(Math.min(room, BATCH), CLAIM_MS)).pipe(
      mergeMap((hooks) => this.#taken(hooks)),
    );
  }

  /** Takes what was claimed into the queue. Emits whether some of it had to be given back, so that more should be claimed. */
  #taken(claimed: readonly Hook[]): Observable<boolean> {
    const now = this.#options.clock.now();
    const given$ = claimed.map((hook) => {
      const errand = carriedOf(hook);
      if (errand === undefined) return this.#quietly(this.#givenUp(hook.promptId, 'what is kept of it is no webhook'));
      return this.#queue.offer(errand, now) ? EMPTY : this.#postponed(errand);
    });
    // All at once: a file commits them together, where one after the other held up everybody's hooks for minutes.
    return concat(merge(...given$), of(given$.some((work$) => work$ !== EMPTY)));
  }

  #carriedOut(errand: Carried): Observable<never> {
    return this.#quietly(this.#carry(errand)).pipe(finalize(() => this.#queue.over(errand)));
  }

  #carry({ promptId, webhook }: Carried): Observable<never> {
    return defer(() => this.#ready(promptId, webhook)).pipe(
      concatMap((now) => {
        if (now === 'waits') return this.#later(promptId, webhook, LOOK_MS);
        if (now === 'unknown') return this.#givenUp(promptId, 'there is no such job');
        // By its job: the same in every attempt of every instance.
        return this.#options
          .send({ id: `msg_${promptId}`, url: now.url, body: now.body, attempts: now.attempts })
          .pipe(concatMap((outcome) => this.#after(promptId, now, outcome)));
      }),
    );
  }

  /** The webhook with its job's last state, or nothing while that is not there. */
  async #ready(promptId: string, webhook: Webhook): Promise<Begun | 'waits' | 'unknown'> {
    const { pipeline, clock, views } = this.#options;
    const { since = clock.now(), body, userId, byService = false } = webhook;
    if (body !== undefined) return { ...webhook, since, body };
    const job = await pipeline.get(promptId, (state) => userId === undefined || state.userId === userId);
    if (job === undefined) return clock.now() - webhook.at > UNKNOWN_MS ? 'unknown' : 'waits';
    if (!isSettled(job)) return 'waits';
    return { ...webhook, since, body: JSON.stringify(views.of(job, { role: byService ? 'service' : 'user' })) };
  }

  /** What follows an attempt: nothing where it was taken, else another, for a day. */
  #after(promptId: string, webhook: Begun, outcome: Outcome): Observable<never> {
    const { hooks, clock, random } = this.#options;
    if (outcome.tag !== 'failed') return hooks.done(promptId);
    const waitMs = (WAITS_MS[webhook.attempts] ?? 3_600_000) * (0.8 + 0.2 * random());
    if (clock.now() + waitMs - webhook.since > DAY_MS) return this.#givenUp(promptId, outcome.reason);
    // A job that settled a moment ago is hurried: who has just said no is not asked again sooner for it.
    return hooks.rest({ promptId, text: JSON.stringify({ ...webhook, attempts: webhook.attempts + 1 }) }, waitMs);
  }

  #postponed({ promptId, webhook }: Carried): Observable<never> {
    return this.#quietly(this.#later(promptId, webhook, AGAIN_MS * (1 + this.#options.random())));
  }

  #later(promptId: string, webhook: Webhook, inMs: number): Observable<never> {
    return this.#options.hooks.later({ promptId, text: JSON.stringify(webhook) }, inMs);
  }

  #givenUp(promptId: string, reason: string): Observable<never> {
    const { hooks, report } = this.#options;
    report('webhooks', new GaveUp(`gave up telling of ${promptId}: ${reason}`));
    return hooks.done(promptId);
  }

  /** Its end may have come before the hook did. */
  #hurriedIfOver(promptId: string): Observable<never> {
    const { pipeline, hooks } = this.#options;
    return defer(() => pipeline.get(promptId)).pipe(
      mergeMap((job) => (job !== undefined && isSettled(job) ? hooks.hurry(promptId) : EMPTY)),
    );
  }

  #quietly<T>(work$: Observable<T>): Observable<T> {
    return work$.pipe(this.#told(), orNothing);
  }
}

/** Delivers the webhooks of a pipeline's jobs. Begins at once. */
export const delivery = (options: DeliveryOptions): Delivery => new HookDelivery(options);

/** A webhook with what every attempt sends. */
type Begun = Webhook & { readonly since: number; readonly body: string };
