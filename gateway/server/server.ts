import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connectionsTo, LOOKS_PER_STALL, resettingStalled } from './connections';
import { checkedOptions, type GatewayOptions } from './options';
import { harmless } from '../../sinks/harmless';
import { asyncScheduler, ignoreElements, interval, lastValueFrom, merge, Subject, takeUntil, tap, timer } from 'rxjs';
import { admission } from '../admission/admission';
import { endedBytes } from '../admission/limits/ended-bytes';
import { reportTokens } from '../admission/auth/report-tokens';
import { bounds } from '../../streams/bounds';
import { turns } from '../http/bodies/turns';
import { requestBodies } from '../http/bodies/request-bodies';
import { httpApp } from '../http/app';
import { serveUnder } from '../http/base-path';
import { ignoreOtherUpgrades } from '../http/other-upgrades';
import { downloads } from '../http/outputs/downloads';
import { urlSigner } from '../http/outputs/signed-urls';
import { cuttingFloods } from '../http/routes/middleware';
import { nodeHistories } from '../http/routes/nodes/node-histories';
import { refusalLog } from '../admission/refusal-log';
import { originPolicy } from '../admission/origin-policy';
import { rooms } from '../sockets/rooms';
import type { Metrics } from '../metrics';
import type { GatewayTelemetry } from '../metrics/gateway-event';
import { SOCKET_PATH } from '../sockets/plain-requests';
import { serveSockets } from '../sockets/sockets';
import { jobViews } from '../wire/job-views';
import { webhooksFor } from '../webhooks/webhooks';

export type { GatewayOptions };

/** A gateway that listens. */
export interface Gateway {
  readonly url: string;
  /** Stops listening, closes sockets, and gives running requests up to 2 s to end. Leaves the pipeline open. */
  close(): Promise<void>;
}

const GRACE_MS = 2000;
const IDLE_TICK_MS = 50;

/**
 * Serves a pipeline over HTTP and Socket.IO. Rejects with a `TypeError` that names an unknown or bad option; with an
 * `Error` if it would listen beyond this machine without tokens, or cannot listen at all. If it rejects, nothing stays
 * open.
 */
export async function startGateway(given: GatewayOptions): Promise<Gateway> {
  const options = checkedOptions(given);
  const { http, close } = gatewayOf(options);
  try {
    const listening = once(http, 'listening');
    http.listen(options.port, options.host);
    await listening;
  } catch (error) {
    await close();
    throw error;
  }
  let closed: Promise<void> | undefined;
  return { url: urlOf(http.address() as AddressInfo), close: () => (closed ??= close()) };
}

/** Builds all parts of a gateway, which does not listen yet. */
function gatewayOf(options: ReturnType<typeof checkedOptions>) {
  const { pipeline, auth, logger, origins, limits, rates, basePath, proxies, metrics } = options;
  const { urlKeys = { secret: randomBytes(32) } } = options;
  const views = jobViews(() => pipeline.servers());
  const webhooks = webhooksFor(pipeline, auth, options.webhooks, views, logger, telemetryOf(metrics));
  const closing$ = new Subject<void>();
  const admitted = admission(auth, rates, proxies);
  const common = {
    pipeline,
    views,
    auth,
    logger,
    limits,
    rates,
    rooms: rooms(pipeline),
    admission: admitted,
    policy: originPolicy(origins, auth.required),
    refusals: refusalLog(logger, () => asyncScheduler.now()),
    tell: telemetryOf(metrics),
  };
  const histories = nodeHistories(pipeline.states$, closing$);
  const files = {
    sending: { bytes: options.outputLimitBytes, stallMs: limits.stallMs },
    downloads: downloads(options.downloads),
    signer: urlSigner(urlKeys),
    ...('secret' in urlKeys && { reportTokens: reportTokens(urlKeys.secret) }),
  };
  const bodies = requestBodies(options.bodyLimitBytes, admitted.weigh, turns(bounds.bodiesAtOnce));
  const inputs = { mostBytes: options.inputLimitBytes, weigh: admitted.weigh, inTurn: turns(bounds.inputsAtOnce) };
  const lists = turns(bounds.listsAtOnce, { of: 'lists', most: bounds.listsWaiting });
  const ended = endedBytes(rates.endedBytesPerUser, pipeline.states$, closing$);
  const taking = { bodies, inputs, lists, ended, basePath, proxies, ...(metrics && { metrics }) };
  const http = createServer(cuttingFloods(httpApp({ ...common, ...files, ...taking, webhooks, histories, closing$ })));
  const io = serveSockets(http, { ...common, proxies });
  ignoreOtherUpgrades(http, (path) => path.startsWith(SOCKET_PATH));
  serveUnder(basePath, http);
  const connections = connectionsTo(http);
  interval(limits.stallMs / LOOKS_PER_STALL)
    .pipe(takeUntil(closing$))
    .subscribe(resettingStalled(connections));
  return {
    http,
    close: async (): Promise<void> => {
      const closed = io.close();
      closing$.next();
      await webhooks.close();
      // Repeated, because a connection whose request has just ended is kept alive and would delay the close by all of 2
      // s.
      const idle$ = timer(0, IDLE_TICK_MS).pipe(tap(() => http.closeIdleConnections()));
      const impatience$ = timer(GRACE_MS).pipe(tap(() => connections.forEach((connection) => connection.destroy())));
      await lastValueFrom(merge(idle$, impatience$).pipe(ignoreElements(), takeUntil(closed)), {
        defaultValue: undefined,
      });
      await bodies.close();
    },
  };
}

const telemetryOf = (metrics: Metrics | undefined): GatewayTelemetry =>
  metrics === undefined ? () => undefined : harmless('metrics.telemetry', metrics.telemetry);

const urlOf = ({ address, family, port }: AddressInfo): string =>
  `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
