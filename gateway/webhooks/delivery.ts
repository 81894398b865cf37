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
import { isUnavailable } from '../../sinks/job-store';
import type { Hook, Hooks } from '../../sinks/webhook-queue';
import type { Backoff } from '../../streams/operators/backoff';
import { isSettled, type JobState } from '../../streams/job/job-state';
import type { Viewer } from '../admission/auth/auth';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, type Report, reportingOutages } from '../../streams/operators/reporting';
import type { JobViews } from '../wire/job-views';
import { claimedHook, type ClaimedHook } from './claimed-hook';
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

/** Sends webhooks of settled jobs, each at least once, by one instance at a time, until it is taken or for a day. */
export interface Delivery {
  /** Adds a webhook. Resolves once it is stored; after 2 s without an answer of the store, which is then retried. */
  add(job: Pick<JobState, 'promptId' | 'userId'>, url: string, viewer: Pick<Viewer, 'role'>): Promise<void>;
  /** Aborts running attempts; another instance, or the next run, repeats them. */
  close(): void;
}

const TICK_MS = 1_000;
/** How often a hook's job is looked up until it has settled: the instance that would hurry the hook may have died. */
const LOOK_MS = 30_000;
/** A state that is emitted here is stored within 2 s, if the store answers. */
const STORED_MS = 2_000;
/** How long a claim holds: longer than the wait for a turn (10 s) and an attempt (15 s) together. */
const CLAIM_MS = 30_000;
/** A claimed hook that has waited 10 s for its turn is given back, due again in 5 to 10 s. */
const WAITED_MS = 10_000;
const AGAIN_MS = 5_000;
/** How many hooks are claimed at a time. */
const BATCH = 200;
/** How many times in a row hooks are claimed, while some of those claimed have to be given back. */
const ROUNDS = 20;
/** How long `add` waits for the store. */
const PATIENCE_MS = 2_000;
/** The waits between attempts; the last is repeated. */
const WAITS_MS = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000];
const DAY_MS = 24 * 3_600_000;
/** A hook is given up if its job is not found 3 h after it was asked for: then there is no such job. */
const UNKNOWN_MS = 3 * 3_600_000;

class HookDelivery implements Delivery {
  readonly #options: DeliveryOptions & { readonly hooks: RememberedHooks };
  readonly #queue = fairQueue<ClaimedHook>();
  readonly #stop$ = new ReplaySubject<void>(1);
  readonly #told: <T>() => MonoTypeOperatorFunction<T>;

  constructor(options: DeliveryOptions) {
    const { pipeline, hooks, clock } = options;
    this.#told = reportingOutages('webhooks', options.report, isUnavailable);
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
      reconnecting({ backoff: persistent, clock, isTransient: isUnavailable }),
      takeUntil(this.#stop$),
      share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: false }),
    );
    kept$.subscribe();
    await firstValueFrom(merge(kept$, timer(PATIENCE_MS, clock)).pipe(take(1)), { defaultValue: undefined });
  }

  close(): void {
    this.#stop$.next();
  }

  /** Claims hooks every second, and whenever a job settles here; sends what is claimed in turn. */
  #begin(): void {
    const { pipeline, hooks, clock } = this.#options;
    // Hurried again 2 s later: another instance may have claimed it before the end was stored, and put it off for 30 s.
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
        // Each attempt that is over makes room for others.
        expand((errand) => concat(this.#carriedOut(errand), begun$)),
        takeUntil(this.#stop$),
      )
      .subscribe();
  }

  /** Gives back hooks that waited too long, then claims, up to `ROUNDS` times while claimed hooks are given back. */
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

  /** Queues claimed hooks. Emits whether some had to be given back, so that others should be claimed. */
  #taken(claimed: readonly Hook[]): Observable<boolean> {
    const now = this.#options.clock.now();
    const given$ = claimed.map((hook) => {
      const errand = claimedHook(hook);
      if (errand === undefined) return this.#quietly(this.#givenUp(hook.promptId, 'what is kept of it is no webhook'));
      return this.#queue.offer(errand, now) ? EMPTY : this.#postponed(errand);
    });
    // Given back all at once: the embedded store commits them together. One by one they held up all hooks for minutes.
    return concat(merge(...given$), of(given$.some((work$) => work$ !== EMPTY)));
  }

  #carriedOut(errand: ClaimedHook): Observable<never> {
    return this.#quietly(this.#carry(errand)).pipe(finalize(() => this.#queue.over(errand)));
  }

  #carry({ promptId, webhook }: ClaimedHook): Observable<never> {
    return defer(() => this.#ready(promptId, webhook)).pipe(
      concatMap((now) => {
        if (now === 'waits') return this.#later(promptId, webhook, LOOK_MS);
        if (now === 'unknown') return this.#givenUp(promptId, 'there is no such job');
        // The id is made of the job's, so that it is the same in each attempt of any instance.
        return this.#options
          .send({ id: `msg_${promptId}`, url: now.url, body: now.body, attempts: now.attempts })
          .pipe(concatMap((outcome) => this.#after(promptId, now, outcome)));
      }),
    );
  }

  /** The webhook with its job's last state; `waits` until the job has settled, `unknown` if there is none after 3 h. */
  async #ready(promptId: string, webhook: Webhook): Promise<Begun | 'waits' | 'unknown'> {
    const { pipeline, clock, views } = this.#options;
    const { since = clock.now(), body, userId, byService = false } = webhook;
    if (body !== undefined) return { ...webhook, since, body };
    const job = await pipeline.get(promptId, (state) => userId === undefined || state.userId === userId);
    if (job === undefined) return clock.now() - webhook.at > UNKNOWN_MS ? 'unknown' : 'waits';
    if (!isSettled(job)) return 'waits';
    return { ...webhook, since, body: JSON.stringify(views.of(job, { role: byService ? 'service' : 'user' })) };
  }

  /** Ends a webhook that was taken; else puts off the next attempt, or gives up a day after the first. */
  #after(promptId: string, webhook: Begun, outcome: Outcome): Observable<never> {
    const { hooks, clock, random } = this.#options;
    if (outcome.tag !== 'failed') return hooks.done(promptId);
    const waitMs = (WAITS_MS[webhook.attempts] ?? 3_600_000) * (0.8 + 0.2 * random());
    if (clock.now() + waitMs - webhook.since > DAY_MS) return this.#givenUp(promptId, outcome.reason);
    // `rest`, not `later`: a job that settled a moment ago is hurried again, which must not shorten the wait.
    return hooks.rest({ promptId, text: JSON.stringify({ ...webhook, attempts: webhook.attempts + 1 }) }, waitMs);
  }

  #postponed({ promptId, webhook }: ClaimedHook): Observable<never> {
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

  /** Makes the hook due now if the job has settled already. */
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

/** A webhook with the body that every attempt sends. */
type Begun = Webhook & { readonly since: number; readonly body: string };
