import type { EventEmitter } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { Logger } from 'pino';
import {
  asyncScheduler,
  EMPTY,
  finalize,
  fromEvent,
  interval,
  merge,
  share,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { Server, type DefaultEventsMap, type Socket } from 'socket.io';
import type { Pipeline } from '../pipeline-api';
import type { Auth, Viewer } from './auth';
import { allJobs, type AllJobs } from './live-jobs';
import { membership } from './membership';
import type { OriginPolicy } from './origins';
import { outbox, type OutboxLimits, type Wire } from './outbox';
import type { Heard, ServerEvents } from './protocol';
import { rooms, type Rooms } from './rooms';

export interface SocketsOptions {
  readonly pipeline: Pipeline;
  readonly auth: Auth;
  readonly policy: OriginPolicy;
  readonly limits: OutboxLimits;
  readonly logger: Logger;
}

type Io = Server<Heard, ServerEvents, DefaultEventsMap, { viewer: Viewer }>;
type Peer = Socket<Heard, ServerEvents, DefaultEventsMap, { viewer: Viewer }>;

/** Live job states over Socket.IO, on the port of the HTTP server, which closes with it. */
export function serveSockets(http: HttpServer, { pipeline, auth, policy, limits, logger }: SocketsOptions): Io {
  const io: Io = new Server(http, {
    // HTTP polling is where engine.io's advisories are, and it would need sticky sessions.
    transports: ['websocket'],
    // CORS does not cover WebSockets.
    allowRequest: (request, done) => done(null, policy.objectionTo(request.headers) === undefined),
    maxHttpBufferSize: 16_384,
    connectTimeout: 10_000,
  });
  const jobRooms = rooms(pipeline);
  const all = allJobs(pipeline, asyncScheduler);
  const inspection$ = interval(Math.min(1000, limits.stallMs / 2)).pipe(share());
  io.use((socket, next) => {
    void auth.viewerOf(tokenOf(socket)).then((viewer) => {
      if (viewer) socket.data.viewer = viewer;
      next(viewer ? undefined : unauthorized());
    }, next);
  });
  io.on('connection', (socket) => serve(socket, { rooms: jobRooms, all }, inspection$, limits, logger));
  return io;
}

function serve(
  socket: Peer,
  jobs: { readonly rooms: Rooms; readonly all: AllJobs },
  inspection$: Observable<unknown>,
  limits: OutboxLimits,
  logger: Logger,
): void {
  const { viewer } = socket.data;
  const wire = wireTo(socket, logger);
  const box = outbox(wire, limits, asyncScheduler);
  const onBroken = (error: unknown): void => {
    logger.error({ err: error }, 'a socket cannot be served further');
    wire.cut('broken');
  };
  const member = membership(jobs, viewer, box, onBroken);
  socket.on('job:join', (promptId, ...rest) => member.join(promptId, rest.findLast(isAck)));
  socket.on('job:leave', (promptId) => member.leave(promptId));
  socket.on('jobs:watch', (...args) => member.watch(args.findLast(isAck)));
  socket.on('jobs:unwatch', () => member.unwatch());
  merge(
    fromEvent(socket.conn.transport, 'ready').pipe(tap(() => box.drained())),
    inspection$.pipe(tap(() => box.inspect())),
    expiryOf(viewer).pipe(tap(() => wire.cut('its token expired'))),
  )
    .pipe(
      takeUntil(fromEvent(socket as EventEmitter, 'disconnect')),
      finalize(() => member.close()),
    )
    .subscribe({ error: onBroken });
}

/** `setTimeout` counts to 24.8 days: a longer token is asked for again then. */
function expiryOf({ expiresAt }: Viewer): Observable<unknown> {
  if (expiresAt === undefined) return EMPTY;
  return timer(Math.min(Math.max(expiresAt - asyncScheduler.now(), 0), 2 ** 31 - 1));
}

const tokenOf = ({ handshake }: Peer): string | undefined => {
  const { token } = handshake.auth;
  return typeof token === 'string' ? token : undefined;
};

const unauthorized = (): Error =>
  Object.assign(new Error('A valid token is needed'), { data: { code: 'unauthorized' } });

const isAck = (value: unknown): value is (reply: unknown) => void => typeof value === 'function';

const wireTo = (socket: Peer, logger: Logger): Wire => ({
  isDrained: () => socket.conn.transport.writable,
  backlogBytes: () => socket.request.socket.writableLength,
  state: (job) => void socket.emit('job:state', job),
  preview: ({ promptId, nodeId, mimeType, image }) =>
    void socket.emit('job:preview', { promptId, nodeId, mimeType }, image),
  cut(reason) {
    if (socket.request.socket.destroyed) return;
    logger.info({ socket: socket.id, reason }, 'cut a socket');
    // A close with handshake would wait for a reader that does not read. Clients reconnect by themselves.
    socket.request.socket.destroy();
  },
});
