import { Router, type Response } from 'express';
import type { Logger } from 'pino';
import { filter, finalize, fromEvent, interval, merge, share, take, takeUntil, tap, type Observable } from 'rxjs';
import type { Pipeline } from '../../../../pipeline/api';
import { isNewer, isSettled, type JobState, type Position } from '../../../../streams/job/job-state';
import type { Viewer } from '../../../admission/auth/auth';
import type { GatewayTelemetry } from '../../../metrics/gateway-event';
import { eventStream } from './event-stream';
import { expiryOf } from '../../../admission/auth/token-expiry';
import type { SendQueueLimits } from '../../../sockets/send-queue';
import { Problem } from '../../../wire/problem';
import type { JobViews } from '../../../wire/job-views';
import type { Rooms } from '../../../sockets/rooms';
import { authenticated, onlyMethods, type ViewerHandler } from '../middleware';
import { visibleJob } from '../../requests/visible-job';

export interface EventsOptions {
  readonly pipeline: Pipeline;
  /** Shared with the sockets: a state is made public and written once for all who hear of it. */
  readonly rooms: Rooms;
  readonly limits: SendQueueLimits;
  readonly views: JobViews;
  /** Emits when the gateway closes, which ends all streams. */
  readonly closing$: Observable<unknown>;
  readonly logger: Logger;
  readonly tell: GatewayTelemetry;
}

/** Proxies cut what is silent for longer than this and a bit. */
const BEAT_MS = 15_000;
/** How many streams one user may have open. */
const MOST_STREAMS = 64;

/** `/jobs/:promptId/events`: a job's states as server-sent events, until it settles. */
export const eventsRoute = (options: EventsOptions): Router => {
  const router = Router();
  router.route('/jobs/:promptId/events').get(authenticated, streaming(options)).all(onlyMethods('GET, HEAD'));
  return router;
};

const streaming = ({
  pipeline,
  rooms,
  limits,
  views,
  closing$,
  logger,
  tell,
}: EventsOptions): ViewerHandler<{ promptId: string }> => {
  const open = new Map<string, number>();
  const inspection$ = interval(Math.min(1000, limits.stallMs / 2)).pipe(share());
  const beat$ = interval(BEAT_MS).pipe(share());

  const follow = (response: Response, viewer: Viewer, job$: Observable<JobState>): void => {
    const { userId } = viewer;
    const stream = eventStream(response, limits, (reason) => logger.info({ reason }, 'cut an event stream'), tell);
    tell({ tag: 'connected', kind: 'event_stream' });
    let last: JobState | undefined;
    open.set(userId, (open.get(userId) ?? 0) + 1);
    merge(
      job$.pipe(
        tap({
          next: (job) => stream.state(views.of((last = job), viewer)),
          // The settled state ends the stream itself, once it has left.
          complete: () => (last !== undefined && isSettled(last)) || stream.end(),
        }),
      ),
      beat$.pipe(tap(() => stream.beat())),
      inspection$.pipe(tap(() => stream.inspect())),
      merge(closing$, expiryOf(viewer)).pipe(
        take(1),
        tap(() => stream.end()),
      ),
    )
      .pipe(
        takeUntil(fromEvent(response, 'close')),
        finalize(() => {
          tell({ tag: 'disconnected', kind: 'event_stream' });
          const others = (open.get(userId) ?? 1) - 1;
          if (others > 0) open.set(userId, others);
          else open.delete(userId);
        }),
      )
      .subscribe({
        error: (error: unknown) => {
          logger.warn({ err: error }, 'an event stream broke');
          response.destroy();
        },
      });
  };

  return async ({ params, headers, method }, response) => {
    const { viewer } = response.locals;
    const job = await visibleJob(pipeline, viewer, params.promptId);
    const seen = positionOf(headers['last-event-id']);
    // To a browser's EventSource, this and nothing else means: do not return.
    if (seen && isSettled(job) && !isNewerThan(seen)(job)) return void response.status(204).end();
    if (viewer.role === 'user' && (open.get(viewer.userId) ?? 0) >= MOST_STREAMS)
      throw new Problem('too-many-jobs', { detail: `A user may have ${MOST_STREAMS} event streams open.` });
    if (response.destroyed) return;
    if (method === 'HEAD') return void response.type('text/event-stream').end();
    follow(response, viewer, rooms.states(job.promptId, viewer).pipe(filter(isNewerThan(seen))));
  };
};

const positionOf = (id: string | string[] | undefined): Position | undefined => {
  const [, epoch, seq] = /^(\d{1,16}):(\d{1,16})$/.exec(String(id)) ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), seq: Number(seq) };
};

const isNewerThan =
  (seen: Position | undefined) =>
  (job: JobState): boolean =>
    seen === undefined || isNewer(job, seen);
