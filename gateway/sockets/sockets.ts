import type { RequestListener, Server as HttpServer } from 'node:http';
import type { Log } from '../server/log';
import { asyncScheduler, interval, share, type Observable } from 'rxjs';
import { Server, type DefaultEventsMap, type Socket } from 'socket.io';
import type { Pipeline } from '../../pipeline/api';
import type { Admission } from '../admission/admission';
import type { Viewer } from '../admission/auth/auth';
import type { RefusalLog } from '../admission/refusal-log';
import { onExcess } from '../admission/limits/received-bytes';
import { SparingServer } from '../admission/limits/sparing-pongs';
import { unknownSockets, type UnknownConnection, type UnknownSockets } from '../admission/limits/unknown-sockets';
import { socketsPerUser, type SocketsPerUser } from '../admission/limits/sockets-per-user';
import { encodedEnd, encodedState } from './encoded-state';
import { expiryOf } from '../admission/auth/token-expiry';
import { allJobs } from './all-jobs';
import { subscriptions, refusal, type Followed } from './subscriptions';
import type { OriginPolicy } from '../admission/origin-policy';
import type { GatewayTelemetry } from '../metrics/gateway-event';
import { observedWire, type Wire } from './wire';
import { sendQueue, type SendQueueLimits } from './send-queue';
import {
  forgetAcks,
  internalsCheck,
  isDrained,
  onDrained,
  replaceRequest,
  writeAcknowledged,
  writeTogether,
} from './socket-io-internals';
import { SOCKET_PATH } from './plain-requests';
import { Problem } from '../wire/problem';
import { problemOf } from '../wire/problem-of';
import type { Heard, ServerEvents } from '../wire/protocol';
import type { Rates } from '../admission/limits/rate-limits';
import type { Rooms } from './rooms';
import type { JobViews } from '../wire/job-views';
import { throttle, type Throttle } from '../admission/limits/message-limits';

/** How long a client has to acknowledge the end of a job before it is sent again. */
const ACKNOWLEDGED_MS = 5_000;

export interface SocketsOptions {
  readonly pipeline: Pipeline;
  readonly rooms: Rooms;
  readonly admission: Admission;
  readonly policy: OriginPolicy;
  readonly limits: SendQueueLimits;
  readonly rates: Rates;
  readonly views: JobViews;
  readonly refusals: RefusalLog;
  /** How many proxies stand before the gateway. */
  readonly proxies: number;
  readonly logger: Log;
  readonly tell: GatewayTelemetry;
}

type Io = Server<Heard, ServerEvents, DefaultEventsMap, { viewer: Viewer }>;
type Peer = Socket<Heard, ServerEvents, DefaultEventsMap, { viewer: Viewer }>;

/** Serves live job states over Socket.IO, on the HTTP server's port. Closing it closes the HTTP server too. */
export function serveSockets(http: HttpServer, options: SocketsOptions): Io {
  const { pipeline, rooms, limits, rates, views, logger, tell } = options;
  const unknown = unknownSockets(options.proxies);
  const users = socketsPerUser<unknown>(rates.socketsPerUser);
  const io = socketServer(http, unknown, options);
  const parts = {
    pipeline,
    views,
    rooms,
    all: allJobs(pipeline, asyncScheduler),
    throttle: throttle(rates),
    inspection$: interval(Math.min(1000, limits.stallMs / 2)).pipe(share()),
    limits,
    logger,
    tell,
  };
  io.use(admitting(options, unknown, users));
  const isServable = internalsCheck(logger);
  io.on('connection', (socket) => {
    if (!isServable(socket)) return void socket.disconnect(true);
    const { viewer } = socket.data;
    // Checked again: sockets of a user that were admitted at the same time were not counted yet.
    if (!users.hasRoomFor(viewer)) return void socket.disconnect(true);
    users.add(viewer, socket);
    socket.once('disconnect', () => users.remove(viewer, socket));
    // No limit would count the connection of a client that has left.
    socket.once('disconnect', () => socket.conn.close());
    forgetRequest(socket);
    serve(socket, parts);
  });
  return io;
}

/** A Socket.IO server for WebSockets of allowed origins, with a bound on those that have not shown a token yet. */
function socketServer(http: HttpServer, unknown: UnknownSockets, { policy, refusals }: SocketsOptions): Io {
  const listeners = http.listeners('request') as RequestListener[];
  const io: Io = new Server(http, {
    // engine.io's security advisories are about HTTP polling, which would also need sticky sessions.
    transports: ['websocket'],
    wsEngine: SparingServer,
    // CORS does not cover WebSockets, so the origin is checked here.
    allowRequest: (request, done) => {
      const objection = policy.objectionTo(request.headers);
      if (objection === 'origin') refusals.origin(request.headers.origin);
      done(null, objection === undefined && unknown.hasRoomFor(request));
    },
    path: SOCKET_PATH,
    // Upgrades at other paths are answered by `ignoreOtherUpgrades`: engine.io must not destroy them.
    destroyUpgrade: false,
    // Pages bundle a client of their own.
    serveClient: false,
    maxHttpBufferSize: 16_384,
    connectTimeout: 10_000,
  });
  io.engine.on('connection', (connection: UnknownConnection) => unknown.add(connection));
  // Engine.io answers plain requests at its path itself, so that no limit counted them: the app refuses them.
  http.removeAllListeners('request');
  for (const listener of listeners) http.on('request', listener);
  return io;
}

/** Admits a socket if its token is valid and its user has room for another one. */
const admitting =
  ({ admission, logger }: SocketsOptions, unknown: UnknownSockets, users: SocketsPerUser<unknown>) =>
  (socket: Peer, next: (error?: Error) => void): void => {
    /** Refuses and closes the connection: each further try needs a new one, which is counted. */
    const refuse = (problem: Problem): void => {
      next(refusedFor(problem));
      // Closed after the refusal was sent, in the next tick.
      setImmediate(() => socket.conn.close());
    };
    admission.viewerOf(tokenOf(socket), socket.request).then(
      (viewer) => {
        if (viewer === undefined) refuse(UNAUTHORIZED);
        else if (!users.hasRoomFor(viewer)) refuse(TOO_MANY_SOCKETS);
        else {
          unknown.remove(socket.conn);
          socket.data.viewer = viewer;
          next();
        }
      },
      (error: unknown) => {
        const problem = problemOf(error);
        if (problem.kind === 'internal') logger.error({ err: error }, problem.message);
        refuse(problem);
      },
    );
  };

interface Parts extends Followed {
  readonly throttle: Throttle;
  readonly inspection$: Observable<unknown>;
  readonly limits: SendQueueLimits;
  readonly logger: Log;
  readonly tell: GatewayTelemetry;
}

function serve(socket: Peer, { throttle, inspection$, limits, logger, tell, ...jobs }: Parts): void {
  const { viewer } = socket.data;
  const wire = observedWire(wireTo(socket, logger), 'socket_io', tell);
  const queue = sendQueue(wire, limits, asyncScheduler);
  const onBroken = (error: unknown): void => {
    logger.error({ err: error }, 'a socket cannot be served further');
    wire.cut('broken', 'broken');
  };
  const tooMuch = (): void => wire.cut('it sends too much', 'flood');
  const charge = (bytes: number): void => throttle.charge(socket.id, viewer, bytes);
  const member = subscriptions(jobs, { viewer, queue, charge, onBroken });
  // Messages are judged one after the other: else a leave could overtake its join.
  let turn = Promise.resolve();
  socket.use(([event, ...args]: unknown[], next) => {
    turn = turn
      .then(() => throttle.judge(socket.id, viewer, event))
      .then((verdict) => {
        const ack = args.findLast(isAck);
        if (verdict === 'flood') tooMuch();
        else if (verdict === 'served' && isHeard(event)) next();
        else if (ack) queue.answer(refusal(verdict === 'served' ? NO_EVENT : TOO_MANY_MESSAGES), ack);
      })
      .catch(onBroken);
  });
  socket.on('job:join', (...args) => member.join(args[0], args.findLast(isAck)));
  socket.on('job:leave', (...args) => member.leave(args[0], args.findLast(isAck)));
  socket.on('jobs:watch', (...args) => member.watch(args.findLast(isAck)));
  socket.on('jobs:unwatch', (...args) => member.unwatch(args.findLast(isAck)));
  const watching = inspection$.subscribe(() => queue.inspect());
  tell({ tag: 'connected', kind: 'socket_io' });
  watching.add(() => tell({ tag: 'disconnected', kind: 'socket_io' }));
  watching.add(expiryOf(viewer).subscribe(() => wire.cut('its token expired', 'token_expired')));
  watching.add(() => member.close());
  watching.add(() => forgetAcks(socket));
  onExcess(socket.request.socket, throttle.bytesPerSecond(viewer), 1, tooMuch);
  onDrained(socket, () => queue.drained());
  socket.once('disconnect', () => watching.unsubscribe());
}

/** Drops the headers, with their cookies, and the token, which would stay in memory as long as the socket. */
function forgetRequest(socket: Peer): void {
  const { request } = socket;
  const { 'x-forwarded-for': forwarded } = request.headers;
  replaceRequest(socket, { socket: request.socket, headers: { 'x-forwarded-for': forwarded } });
  Object.assign(socket.handshake, { headers: {}, auth: {}, query: {} });
}

const tokenOf = ({ handshake }: Peer): string | undefined => {
  const { token } = handshake.auth;
  return typeof token === 'string' ? token : undefined;
};

/** The error that a client gets as `connect_error`. */
const refusedFor = ({ kind, message }: Problem): Error => Object.assign(new Error(message), { data: { code: kind } });

const UNAUTHORIZED = new Problem('unauthorized');
const TOO_MANY_SOCKETS = new Problem('too-many-sockets', { detail: 'A user may not have more sockets at a time.' });
const TOO_MANY_MESSAGES = new Problem('too-many-requests', { detail: 'Not so many messages a second.' });

/** The events that a client may send. Any other is refused: its sender would wait for an answer forever (R18). */
const HEARD: Readonly<Record<keyof Heard, true>> = {
  'job:join': true,
  'job:leave': true,
  'jobs:watch': true,
  'jobs:unwatch': true,
};
const isHeard = (event: unknown): boolean => typeof event === 'string' && Object.hasOwn(HEARD, event);
const NO_EVENT = new Problem('bad-request', { detail: `The events here are ${Object.keys(HEARD).join(', ')}.` });

const isAck = (value: unknown): value is (reply: unknown) => void => typeof value === 'function';

const wireTo = (socket: Peer, logger: Log): Wire => ({
  isDrained: () => isDrained(socket),
  backlogBytes: () => socket.request.socket.writableLength,
  states(jobs) {
    if (!writeTogether(socket, jobs.map(encodedState))) for (const job of jobs) socket.emit('job:state', job);
  },
  end(job, told) {
    if (!socket.connected) return;
    if (!writeAcknowledged(socket, (id) => encodedEnd(job, id), ACKNOWLEDGED_MS, told))
      socket.timeout(ACKNOWLEDGED_MS).emit('job:state', job, (error?: Error | null) => told(!error));
  },
  partial: (partial) => void socket.emit('jobs:partial', { partial }),
  preview: ({ promptId, nodeId, mimeType, image }) =>
    void socket.emit('job:preview', { promptId, nodeId, mimeType }, image),
  cut(reason) {
    if (socket.request.socket.destroyed) return;
    logger.info({ socket: socket.id, reason }, 'cut a socket');
    // A closing handshake would wait for a reader that does not read. Clients reconnect by themselves.
    socket.request.socket.destroy();
  },
});
