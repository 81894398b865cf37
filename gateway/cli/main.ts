#!/usr/bin/env node
import './node-version';
import './early-signals';
import * as E from 'fp-ts/Either';
import { pino, type Logger } from 'pino';
import { createPipeline } from '../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../sinks/embedded/embedded-store';
import { redisStore } from '../../sinks/redis/redis-store';
import { JobBroke } from '../../streams/board/board-event';
import type { Report } from '../../streams/operators/reporting';
import { openAuth, tokenAuth } from '../admission/auth/auth';
import { commandOf, HELP } from './arguments';
import { crashLoudly, leave, onSignal } from './leaving';
import { sparingHeap } from './sparing-heap';
import { inspect } from './store-inspection';
import { makeToken } from './token';
import { version } from './version';
import { startGateway } from '../server/server';
import { prometheusMetrics, type Metrics } from '../metrics';
import { processMetrics } from '../metrics/counts/process-metrics';
import { serveMetrics } from '../metrics/metrics-server';
import { complaintOf, misspeltIn, settingsOf, type Settings } from './settings/settings';
import { messageOf } from '../../streams/workflow/shown-text';

async function main(): Promise<void> {
  const command = commandOf(process.argv.slice(2));
  switch (command.tag) {
    case 'help':
      return void process.stdout.write(HELP);
    case 'version':
      return void process.stdout.write(`${version()}\n`);
    case 'wrong': {
      refuse(`comfyui-jobstream: ${command.reason}; --help tells what there is\n`);
      return;
    }
    case 'token': {
      const token = await makeToken(command, process.env, Date.now());
      if (E.isLeft(token)) {
        refuse(complaintOf(token.left, 'cannot make a token'));
        return;
      }
      return void process.stdout.write(`${token.right}\n`);
    }
    case 'serve': {
      const settings = settingsOf(process.env);
      if (E.isLeft(settings)) refuse(complaintOf([...settings.left, ...misspeltIn(process.env)]));
      else await serve(settings.right);
      return;
    }
  }
}

const refuse = (complaint: string): void => {
  process.stderr.write(complaint);
  process.exitCode = 1;
};

/** Runs until a signal. Logs go to stderr as JSON, the address to stdout. */
async function serve(settings: Settings): Promise<void> {
  sparingHeap();
  const { servers, store: where, storeStrict, logLevel, metrics: metricsAt, auth, webhooks } = settings;
  const logger = pino({ level: logLevel }, pino.destination({ dest: 2, sync: true }));
  crashLoudly(logger);
  for (const { field, message } of misspeltIn(process.env)) logger.warn(`${field} ${message}`);
  const report = reportTo(logger);
  const store = storeOf(where, report);
  await inspect(store, storeStrict, logger);
  const metrics = metricsOf(servers);
  const { telemetry } = metrics;
  const pipeline = createPipeline({ ...settings.pipeline, servers, store, report, telemetry });
  pipeline.recovered$.subscribe((jobs) => logger.info({ jobs: jobs.length }, 'jobs taken up'));
  const gateway = await startGateway({
    ...settings.gateway,
    pipeline,
    auth: auth ? tokenAuth(auth, (error) => report('keys of tokens', error)) : openAuth,
    // Instances that share JWT_SECRET sign with it; the others share a key in the store.
    urlKeys: auth && 'secret' in auth ? { secret: auth.secret } : { names: store },
    ...(webhooks && { webhooks: { ...webhooks, hooks: store.hooks } }),
    logger,
    metrics,
  });
  const scraped = metricsAt && (await serveMetrics(metrics, metricsAt));
  void pipeline.closed.then((error) => {
    if (error === undefined) return;
    logger.fatal({ err: error }, 'a bug');
    leave(1);
  });
  onSignal(logger, async () => {
    await gateway.close();
    await pipeline.close();
    // Closed last, so that a scrape can still count how the last jobs ended.
    await scraped?.close();
  });
  if (scraped) logger.info({ url: scraped.url }, 'metrics');
  logger.info({ url: gateway.url, servers: servers.length, store: where.tag, tokens: auth !== undefined }, 'listening');
  process.stdout.write(`comfyui-jobstream listens at ${gateway.url}\n`);
}

/** Logs each error that ends nothing in a line; without a stack, because it recurs while a server is away. */
const reportTo =
  (logger: Logger): Report =>
  (where, error, serverUrl) => {
    const message = messageOf(error);
    // A bug of ours that made one job fail: logged with its stack.
    if (error instanceof JobBroke) logger.error({ where, err: error }, message);
    else logger.warn(logger.isLevelEnabled('debug') ? { where, serverUrl, err: error } : { where, serverUrl }, message);
  };

/** Metrics that tell the servers' `tags` apart as job types. */
function metricsOf(servers: Settings['servers']): Metrics {
  const metrics = prometheusMetrics({ types: servers.flatMap(({ tags = [] }) => tags) });
  processMetrics(metrics.registry, version());
  return metrics;
}

const storeOf = (store: Settings['store'], report: Report) =>
  store.tag === 'redis'
    ? redisStore({ url: store.url, report })
    : embeddedStore({ directory: store.directory, report });

main().catch((error: unknown) => {
  process.stderr.write(`comfyui-jobstream cannot start: ${messageOf(error)}\n`);
  leave(1);
});
