import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { silent, type Log } from './log';
import { asyncScheduler, ignoreElements, lastValueFrom, merge, Subject, takeUntil, tap, timer } from 'rxjs';
import type { Pipeline } from '../pipeline/api';
import { admission } from './admission/admission';
import { reportTokens } from './admission/auth/report-tokens';
import { openAuth, type Auth } from './admission/auth/auth';
import { isLoopback } from './admission/loopback';
import { bounds } from '../streams/bounds';
import { turns } from './http/bodies/turns';
import { requestBodies } from './http/bodies/request-bodies';
import { httpApp } from './http/app';
import { serveUnder } from './http/base-path';
import { ignoreOtherUpgrades } from './http/other-upgrades';
import { defaultDownloadLimits, downloads, type DownloadLimits } from './http/outputs/downloads';
import { urlSigner, type UrlKeys } from './http/outputs/signed-urls';
import { nodeHistories } from './http/routes/nodes/node-histories';
import { refusalLog } from './admission/refusal-log';
import { originPolicy } from './admission/origin-policy';
import type { SendQueueLimits } from './sockets/send-queue';
import { defaultRates, type Rates } from './admission/limits/rate-limits';
import { rooms } from './sockets/rooms';
import type { Metrics } from './metrics';
import type { GatewayTelemetry } from './metrics/gateway-event';
import { serveSockets, SOCKET_PATH } from './sockets/sockets';
import { jobViews } from './wire/job-views';
import { webhooksFor, type WebhookOptions } from './webhooks/webhooks';

/** What `startGateway` serves, where, to whom, and within which bounds. */
export interface GatewayOptions {
  readonly pipeline: Pipeline;
  /** Where to listen; 127.0.0.1 where absent. Another than this machine's own needs an `auth` with tokens. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** How callers prove who they are; everybody may do everything where absent. */
  readonly auth?: Auth;
  /** Web origins, besides its own, whose pages may call it. */
  readonly origins?: readonly string[];
  /** Where it tells what happens; nowhere where absent. */
  readonly logger?: Log;
  /** Counts what callers get, and is served to services under `/metrics`; not at all where absent. */
  readonly metrics?: Metrics;
  /** What a slow reader of live states may cost; 1 MiB and 30 s where absent. */
  readonly limits?: Partial<SendQueueLimits>;
  /** How often others may ask; `defaultRates` where absent. */
  readonly rates?: Partial<Rates>;
  /** How many proxies stand before it, each of which adds to `X-Forwarded-For`; none where absent. */
  readonly proxies?: number;
  /** Where webhooks are kept and how they are signed; without it they are refused. */
  readonly webhooks?: WebhookOptions;
  /** The largest JSON body taken; 32 MiB where absent. */
  readonly bodyLimitBytes?: number;
  /** The largest input passed on; 100 MiB where absent. */
  readonly inputLimitBytes?: number;
  /** The largest output passed through; 1 GiB where absent. */
  readonly outputLimitBytes?: number;
  /** How many downloads may be under way; `defaultDownloadLimits` where absent. */
  readonly downloads?: Partial<DownloadLimits>;
  /** What URLs of outputs are signed with, and tokens for reports where it is a secret; where absent, with a key of this process. */
  readonly urlKeys?: UrlKeys;
  /** What all paths begin with, such as `/comfy`; the root where absent. */
  readonly basePath?: string;
}

/** A gateway that listens. */
export interface Gateway {
  readonly url: string;
  /** Takes no more callers, lets requests under way end for up to 2 s, closes sockets. Leaves the pipeline open. */
  close(): Promise<void>;
}

const GRACE_MS = 2000;
const IDLE_TICK_MS = 50;

/** Serves a pipeline over HTTP and Socket.IO. Rejects if it cannot listen, or should not: past this machine, without tokens. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { pipeline, host = '127.0.0.1', port, auth = openAuth, logger = silent } = options;
  const { origins = [], limits, basePath = '', proxies = 0, metrics } = options;
  if (!auth.required && !isLoopback(host)) throw new Error(`listening at ${host} needs an auth with tokens`);
  const { bodyLimitBytes = bounds.bodyBytes, inputLimitBytes = bounds.inputBytes } = options;
  const rates = { ...defaultRates, ...options.rates };
  const views = jobViews(() => pipeline.servers());
  const webhooks = webhooksFor(pipeline, auth, options.webhooks, views, logger, telemetryOf(metrics));
  const policy = originPolicy(origins, auth.required);
  const closing$ = new Subject<void>();
  const patience = { waitingBytes: 2 ** 20, stallMs: bounds.stallMs, ...limits };
  const admitted = admission(auth, rates, proxies);
  const common = {
    pipeline,
    rooms: rooms(pipeline),
    views,
    auth,
    admission: admitted,
    policy,
    refusals: refusalLog(logger, () => asyncScheduler.now()),
    logger,
    limits: patience,
    rates,
    tell: telemetryOf(metrics),
  };
  const histories = nodeHistories(pipeline.states$, closing$);
  const { urlKeys = { secret: randomBytes(32) } } = options;
  const files = {
    sending: { bytes: options.outputLimitBytes ?? bounds.outputBytes, stallMs: patience.stallMs },
    downloads: downloads({ ...defaultDownloadLimits, ...options.downloads }),
    signer: urlSigner(urlKeys),
    ...('secret' in urlKeys && { reportTokens: reportTokens(urlKeys.secret) }),
  };
  const bodies = requestBodies(bodyLimitBytes, admitted.weigh, turns(bounds.bodiesAtOnce));
  const inputs = { mostBytes: inputLimitBytes, weigh: admitted.weigh, inTurn: turns(bounds.inputsAtOnce) };
  const lists = turns(bounds.listsAtOnce, { of: 'lists', most: bounds.listsWaiting });
  const taking = { bodies, inputs, lists, basePath, proxies, ...(metrics && { metrics }) };
  const http = createServer(httpApp({ ...common, ...files, ...taking, webhooks, histories, closing$ }));
  const io = serveSockets(http, { ...common, proxies });
  ignoreOtherUpgrades(http, (path) => path.startsWith(SOCKET_PATH));
  serveUnder(basePath, http);
  const connections = connectionsTo(http);
  http.listen(port, host);
  await once(http, 'listening');
  return {
    url: urlOf(http.address() as AddressInfo),
    async close() {
      const closed = io.close();
      closing$.next();
      await webhooks.close();
      // Again and again: one whose request ends is kept alive, and would use up the grace that others may need.
      const idle$ = timer(0, IDLE_TICK_MS).pipe(tap(() => http.closeIdleConnections()));
      const impatience$ = timer(GRACE_MS).pipe(tap(() => connections.forEach((connection) => connection.destroy())));
      await lastValueFrom(merge(idle$, impatience$).pipe(ignoreElements(), takeUntil(closed)), {
        defaultValue: undefined,
      });
      await bodies.close();
    },
  };
}

/** The connections that are open, as they come and go. */
function connectionsTo(http: Server): ReadonlySet<Socket> {
  const connections = new Set<Socket>();
  http.on('connection', (connection) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
  });
  return connections;
}

const telemetryOf = (metrics: Metrics | undefined): GatewayTelemetry => metrics?.telemetry ?? (() => undefined);

const urlOf = ({ address, family, port }: AddressInfo): string =>
  `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
