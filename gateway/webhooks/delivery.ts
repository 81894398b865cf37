import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  finalize,
  firstValueFrom,
  interval,
  merge,
  mergeMap,
  of,
  ReplaySubject,
  share,
  take,
  takeUntil,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import { StoreUnavailable } from '../../sinks/job-store';
import type { Hook, Hooks } from '../../sinks/webhook-queue';
import type { Backoff } from '../../streams/operators/backoff';
import { isSettled } from '../../streams/job/job-state';
import { reconnecting } from '../../streams/operators/reconnecting';
import { reporting, type Report } from '../../streams/operators/reporting';
import { publicJob } from '../wire/public-job';
import { decodeWebhook, type Webhook } from './webhook.codec';
import type { Outcome, WebhookSender } from './sender';

export interface CourierOptions {
  readonly pipeline: Pick<Pipeline, 'get' | 'states$'>;
  readonly hooks: Hooks;
  readonly send: WebhookSender['send'];
  readonly clock: SchedulerLike;
  readonly random: () => number;
  readonly report: Report;
}

/** Tells other servers of settled jobs: at least once each, by one instance at a time, until it is taken or a day is over. */
export interface Courier {
  /** Has a job's end told to a URL. Resolves once that is kept, or after 2 s in which the store does not answer; then it is tried on. */
  readonly add: (promptId: string, url: string) => Promise<void>;
  /** Breaks attempts off; another instance, or the next run, makes them again. */
  readonly close: () => void;
}

const TICK_MS = 1_000;
/** A job whose end nobody told of is looked at so often: its instance may have died. */
const LOOK_MS = 30_000;
/** Longer than an attempt takes. */
const CLAIM_MS = 30_000;
/** Attempts at a time, of an instance. */
const MOST = 50;
/** How long `add` keeps its caller waiting. */
const PATIENCE_MS = 2_000;
/** Waits between attempts, then the last again and again. */
const WAITS_MS = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000];
const DAY_MS = 24 * 3_600_000;
/** No job is found for so long only if there is none. */
const UNKNOWN_MS = 3 * 3_600_000;

export function courier({ pipeline, hooks, send, clock, random, report }: CourierOptions): Courier {
  const stop$ = new ReplaySubject<void>(1);
  let carried = 0;

  const quietly = <T>(work$: Observable<T>): Observable<T> =>
    work$.pipe(
      reporting('webhooks', report),
      catchError(() => EMPTY),
    );

  const later = (promptId: string, webhook: Webhook, inMs: number): Observable<never> =>
    hooks.later({ promptId, text: JSON.stringify(webhook) }, inMs);

  const givenUp = (promptId: string, reason: string): Observable<never> => {
    report('webhooks', new Error(`gave up telling of ${promptId}: ${reason}`));
    return hooks.done(promptId);
  };

  /** The webhook with its job's last state, or nothing while that is not there. */
  const ready = async (promptId: string, webhook: Webhook): Promise<Required<Webhook> | 'waits' | 'unknown'> => {
    const { since = clock.now(), body } = webhook;
    if (body !== undefined) return { ...webhook, since, body };
    const job = await pipeline.get(promptId);
    if (job === undefined) return clock.now() - webhook.at > UNKNOWN_MS ? 'unknown' : 'waits';
    return isSettled(job) ? { ...webhook, since, body: JSON.stringify(publicJob(job)) } : 'waits';
  };

  const after = (promptId: string, webhook: Required<Webhook>, outcome: Outcome): Observable<never> => {
    if (outcome.tag !== 'failed') return hooks.done(promptId);
    const waitMs = (WAITS_MS[webhook.attempts] ?? 3_600_000) * (0.8 + 0.2 * random());
    if (clock.now() + waitMs - webhook.since > DAY_MS) return givenUp(promptId, outcome.reason);
    return later(promptId, { ...webhook, attempts: webhook.attempts + 1 }, waitMs);
  };

  const carry = ({ promptId, text }: Hook): Observable<never> => {
    const webhook = decodeWebhook(text);
    if (webhook === undefined) return givenUp(promptId, 'what is kept of it is no webhook');
    return defer(() => ready(promptId, webhook)).pipe(
      concatMap((now) => {
        if (now === 'waits') return later(promptId, webhook, LOOK_MS);
        if (now === 'unknown') return givenUp(promptId, 'there is no such job');
        // By its job: the same in every attempt of every instance.
        return send({ id: `msg_${promptId}`, url: now.url, body: now.body }).pipe(
          concatMap((outcome) => after(promptId, now, outcome)),
        );
      }),
    );
  };

  const settled$ = pipeline.states$.pipe(
    filter(isSettled),
    mergeMap(({ promptId }) => concat(quietly(hooks.hurry(promptId)), of(promptId))),
    share(),
  );
  merge(interval(TICK_MS, clock), settled$)
    .pipe(
      exhaustMap(() => (carried < MOST ? quietly(hooks.claim(MOST - carried, CLAIM_MS)) : EMPTY)),
      mergeMap((claimed) => claimed),
      mergeMap((hook) => {
        carried += 1;
        return quietly(carry(hook)).pipe(finalize(() => (carried -= 1)));
      }),
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
    async add(promptId, url) {
      const webhook: Webhook = { url, at: clock.now(), attempts: 0 };
      const hook = { promptId, text: JSON.stringify(webhook) };
      const kept$ = concat(
        defer(() => hooks.add(hook, LOOK_MS)),
        hurriedIfOver(promptId),
        of('kept'),
      ).pipe(
        reporting('webhooks', report),
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
