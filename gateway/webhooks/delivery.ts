import {
  catchError,
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
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import { StoreUnavailable } from '../../sinks/job-store';
import type { Hook, Hooks } from '../../sinks/webhook-queue';
import type { Backoff } from '../../streams/operators/backoff';
import { isSettled, type JobState } from '../../streams/job/job-state';
import type { Viewer } from '../admission/auth/auth';
import type { GatewayTelemetry } from '../metrics/gateway-event';
import { reconnecting } from '../../streams/operators/reconnecting';
import type { Report } from '../../streams/operators/reporting';
import type { JobViews } from '../wire/job-views';
import { fairQueue, type Errand } from './fair-queue';
import { decodeWebhook, type Webhook } from './webhook.codec';
import type { Outcome, WebhookSender } from './sender';

export interface CourierOptions {
  readonly pipeline: Pick<Pipeline, 'get' | 'states$'>;
  readonly views: JobViews;
  readonly hooks: Hooks;
  readonly send: WebhookSender['send'];
  readonly clock: SchedulerLike;
  readonly random: () => number;
  readonly report: Report;
  readonly tell?: GatewayTelemetry;
}

/** Tells other servers of settled jobs: at least once each, by one instance at a time, until it is taken or a day is over. */
export interface Courier {
  /** Has a job's end told to a URL. Resolves once that is kept, or after 2 s in which the store does not answer; then it is tried on. */
  readonly add: (
    job: Pick<JobState, 'promptId' | 'userId'>,
    url: string,
    viewer: Pick<Viewer, 'role'>,
  ) => Promise<void>;
  /** Breaks attempts off; another instance, or the next run, makes them again. */
  readonly close: () => void;
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

export function courier(options: CourierOptions): Courier {
  const { pipeline, views, hooks, send, clock, random, report, tell } = options;
  const stop$ = new ReplaySubject<void>(1);
  const queue = fairQueue<Carried>();

  let isAway = false;
  /** Of a store that is away it is told once: it is asked every second. */
  const told = <T>(work$: Observable<T>): Observable<T> =>
    work$.pipe(
      tap({
        complete: () => (isAway = false),
        error: (error: unknown) => {
          const isKnown = isAway && error instanceof StoreUnavailable;
          isAway ||= error instanceof StoreUnavailable;
          if (!isKnown) report('webhooks', error);
        },
      }),
    );
  const quietly = <T>(work$: Observable<T>): Observable<T> => told(work$).pipe(catchError(() => EMPTY));

  const later = (promptId: string, webhook: Webhook, inMs: number): Observable<never> =>
    hooks.later({ promptId, text: JSON.stringify(webhook) }, inMs);

  const givenUp = (promptId: string, reason: string): Observable<never> => {
    report('webhooks', new Error(`gave up telling of ${promptId}: ${reason}`));
    return hooks.done(promptId);
  };

  /** The webhook with its job's last state, or nothing while that is not there. */
  const ready = async (promptId: string, webhook: Webhook): Promise<Begun | 'waits' | 'unknown'> => {
    const { since = clock.now(), body, userId, byService = false } = webhook;
    if (body !== undefined) return { ...webhook, since, body };
    const job = await pipeline.get(promptId, (state) => userId === undefined || state.userId === userId);
    if (job === undefined) return clock.now() - webhook.at > UNKNOWN_MS ? 'unknown' : 'waits';
    if (!isSettled(job)) return 'waits';
    return { ...webhook, since, body: JSON.stringify(views.of(job, { role: byService ? 'service' : 'user' })) };
  };

  const after = (promptId: string, webhook: Begun, outcome: Outcome): Observable<never> => {
    if (outcome.tag !== 'failed') {
      if (webhook.attempts > 0) tell?.({ tag: 'webhookEnded', outcome: 'recovered' });
      return hooks.done(promptId);
    }
    const waitMs = (WAITS_MS[webhook.attempts] ?? 3_600_000) * (0.8 + 0.2 * random());
    if (clock.now() + waitMs - webhook.since > DAY_MS) {
      tell?.({ tag: 'webhookEnded', outcome: 'exhausted' });
      return givenUp(promptId, outcome.reason);
    }
    return later(promptId, { ...webhook, attempts: webhook.attempts + 1 }, waitMs);
  };

  const carry = ({ promptId, webhook }: Carried): Observable<never> =>
    defer(() => ready(promptId, webhook)).pipe(
      concatMap((now) => {
        if (now === 'waits') return later(promptId, webhook, LOOK_MS);
        if (now === 'unknown') return givenUp(promptId, 'there is no such job');
        // By its job: the same in every attempt of every instance.
        return send({ id: `msg_${promptId}`, url: now.url, body: now.body }).pipe(
          concatMap((outcome) => after(promptId, now, outcome)),
        );
      }),
    );

  const postponed = ({ promptId, webhook }: Carried): Observable<never> =>
    quietly(later(promptId, webhook, AGAIN_MS * (1 + random())));

  /** Takes what was claimed into the queue. Emits whether some of it had to be given back, so that more should be claimed. */
  const taken = (claimed: readonly Hook[]): Observable<boolean> => {
    const now = clock.now();
    const given$ = claimed.map((hook) => {
      const errand = carriedOf(hook);
      if (errand === undefined) return quietly(givenUp(hook.promptId, 'what is kept of it is no webhook'));
      return queue.offer(errand, now) ? EMPTY : postponed(errand);
    });
    return concat(...given$, of(given$.some((work$) => work$ !== EMPTY)));
  };

  const claim$ = defer(() =>
    queue.room() > 0 ? quietly(hooks.claim(Math.min(queue.room(), BATCH), CLAIM_MS)) : EMPTY,
  ).pipe(mergeMap(taken));
  const round$ = defer(() => concat(...queue.overdue(clock.now(), WAITED_MS).map(postponed), claim$)).pipe(
    expand((more, n) => (more && n < ROUNDS ? claim$ : EMPTY)),
  );

  // Another instance may claim it before the end is in the store, and put it off for half a minute: it is hurried again.
  const settled$ = pipeline.states$.pipe(
    filter((state) => isSettled(state)),
    mergeMap((state) => merge(of(state), timer(STORED_MS, clock).pipe(map(() => state)))),
    mergeMap(({ promptId }) => concat(quietly(hooks.hurry(promptId)), of(promptId))),
    share(),
  );
  const begun$ = defer(() => from(queue.begin()));
  merge(interval(TICK_MS, clock), settled$)
    .pipe(
      exhaustMap(() => round$),
      mergeMap(() => begun$),
      // Each that is over makes room for others.
      expand((errand) => concat(quietly(carry(errand)).pipe(finalize(() => queue.over(errand))), begun$)),
      takeUntil(stop$),
    )
    .subscribe();

  /** Its end may have come before the hook did. */
  const hurriedIfOver = (promptId: string): Observable<never> =>
    defer(() => pipeline.get(promptId)).pipe(
      mergeMap((job) => (job !== undefined && isSettled(job) ? hooks.hurry(promptId) : EMPTY)),
    );

  const persistent: Backoff = { steadyMs: 0, delayMs: () => 500 + 500 * random() };
  return {
    async add({ promptId, userId }, url, { role }) {
      const byService = role === 'service';
      const webhook: Webhook = { url, at: clock.now(), attempts: 0, userId, ...(byService && { byService }) };
      const hook = { promptId, text: JSON.stringify(webhook) };
      const kept$ = concat(
        defer(() => hooks.add(hook, LOOK_MS)),
        hurriedIfOver(promptId),
        of('kept'),
      ).pipe(
        told,
        reconnecting({ backoff: persistent, clock, isTransient: (error) => error instanceof StoreUnavailable }),
        takeUntil(stop$),
        share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: false }),
      );
      kept$.subscribe();
      await firstValueFrom(merge(kept$, timer(PATIENCE_MS, clock)).pipe(take(1)), { defaultValue: undefined });
    },
    close: () => stop$.next(),
  };
}

/** A webhook that was claimed. */
interface Carried extends Errand {
  readonly promptId: string;
  readonly webhook: Webhook;
}

/** A webhook with what every attempt sends. */
type Begun = Webhook & { readonly since: number; readonly body: string };

function carriedOf({ promptId, text }: Hook): Carried | undefined {
  const webhook = decodeWebhook(text);
  if (webhook === undefined || !URL.canParse(webhook.url)) return undefined;
  const { url, userId = '', attempts } = webhook;
  return { promptId, webhook, host: new URL(url).hostname, userId, attempts };
}
