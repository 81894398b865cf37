import { Router, type Response } from 'express';
import type { Log } from '../../../server/log';
import { filter, finalize, fromEvent, interval, merge, share, take, takeUntil, tap, type Observable } from 'rxjs';
import type { Pipeline } from '../../../../pipeline/api';
import { isNewer, isSettled, type JobState, type Version } from '../../../../streams/job/job-state';
import type { Viewer } from '../../../admission/auth/auth';
import type { GatewayTelemetry } from '../../../metrics/gateway-event';
import { eventStream } from './event-stream';
import { expiryOf } from '../../../admission/auth/token-expiry';
import type { SendQueueLimits } from '../../../sockets/send-queue';
import { Problem } from '../../../wire/problem';
import type { JobViews } from '../../../wire/job-views';
import type { Rooms } from '../../../sockets/rooms';
import { authenticated, onlyMethods, withoutQuery, type ViewerHandler } from '../middleware';
import { visibleJob } from '../../requests/visible-job';

export interface EventsOptions {
  readonly pipeline: Pipeline;
  /** Shared with the sockets, so that a state is made public and encoded once for all its readers. */
  readonly rooms: Rooms;
  readonly limits: SendQueueLimits;
  readonly views: JobViews;
  /** Emits when the gateway closes, which ends all streams. */
  readonly closing$: Observable<unknown>;
  readonly logger: Log;
  readonly tell: GatewayTelemetry;
}

/**
 * Milliseconds between two comments to an idle reader; some proxies cut connections that are silent for little longer.
 */
const BEAT_MS = 15_000;
/** How many streams one user may have open. */
const MOST_STREAMS = 64;

/** `/jobs/:promptId/events`: a job's states as server-sent events, until it settles. */
export const eventsRoute = (options: EventsOptions): Router => {
  const router = Router();
  router
    .route('/jobs/:promptId/events')
    .get(authenticated, withoutQuery, streaming(options))
    .all(onlyMethods('GET, HEAD'));
  return router;
};

const streaming = (options: EventsOptions): ViewerHandler<{ promptId: string }> => {
  const { pipeline, rooms } = options;
  const streams = new Streams(options);
  return async ({ params, headers, method }, response) => {
    const { viewer } = response.locals;
    const job = await visibleJob(pipeline, viewer, params.promptId);
    const seen = versionOf(headers['last-event-id']);
    // 204 is what keeps a browser's EventSource from reconnecting.
    if (!isNewsTo(seen)(job) && isSettled(job)) return void response.status(204).end();
    if (!streams.hasRoomFor(viewer))
      throw new Problem('too-many-jobs', { detail: `A user may have ${MOST_STREAMS} event streams open.` });
    if (response.destroyed) return;
    if (method === 'HEAD') return void response.type('text/event-stream').end();
    streams.follow(response, viewer, rooms.states(job.promptId, viewer).pipe(filter(isNewsTo(seen))));
  };
};

/** The open event streams, counted by user. A service’s are not counted, even if a user has its name. */
class Streams {
  readonly #options: EventsOptions;
  readonly #open = new Map<string, number>();
  readonly #inspection$: Observable<unknown>;
  readonly #beat$ = interval(BEAT_MS).pipe(share());

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#inspection$ = interval(Math.min(1000, options.limits.stallMs / 2)).pipe(share());
  }

  hasRoomFor({ role, userId }: Viewer): boolean {
    return role !== 'user' || (this.#open.get(userId) ?? 0) < MOST_STREAMS;
  }

  /** Answers with a job's states, until it settles, the reader leaves, the token expires or the gateway closes. */
  follow(response: Response, viewer: Viewer, job$: Observable<JobState>): void {
    const { limits, views, closing$, logger, tell } = this.#options;
    const stream = eventStream(response, limits, (reason) => logger.info({ reason }, 'cut an event stream'), tell);
    let last: JobState | undefined;
    const state$ = job$.pipe(
      tap({
        next: (job) => stream.state(views.of((last = job), viewer)),
        // A settled state ends the stream itself, once it was sent.
        complete: () => (last !== undefined && isSettled(last)) || stream.end(),
      }),
    );
    const expiry$ = expiryOf(viewer).pipe(tap(() => tell({ tag: 'cut', kind: 'event_stream', why: 'token_expired' })));
    const over$ = merge(closing$, expiry$).pipe(
      take(1),
      tap(() => stream.end()),
    );
    const kept$ = merge(
      this.#beat$.pipe(tap(() => stream.beat())),
      this.#inspection$.pipe(tap(() => stream.inspect())),
    );
    this.#count(viewer, 1);
    merge(state$, kept$, over$)
      .pipe(
        takeUntil(fromEvent(response, 'close')),
        finalize(() => this.#count(viewer, -1)),
      )
      .subscribe({
        error: (error: unknown) => {
          logger.warn({ err: error }, 'an event stream broke');
          response.destroy();
        },
      });
  }

  #count({ role, userId }: Viewer, by: 1 | -1): void {
    this.#options.tell({ tag: by > 0 ? 'connected' : 'disconnected', kind: 'event_stream' });
    if (role !== 'user') return;
    const open = (this.#open.get(userId) ?? 0) + by;
    if (open > 0) this.#open.set(userId, open);
    else this.#open.delete(userId);
  }
}

const versionOf = (id: string | string[] | undefined): Version | undefined => {
  const [, epoch, seq] = /^(\d{1,16}):(\d{1,16})$/.exec(String(id)) ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), seq: Number(seq) };
};

/** Any end but the one that was seen is news: an id beyond it is another job's, or was made up. */
const isNewsTo =
  (seen: Version | undefined) =>
  (job: JobState): boolean =>
    seen === undefined || isNewer(job, seen) || (isSettled(job) && isNewer(seen, job));
