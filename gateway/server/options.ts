import type { Pipeline } from '../../pipeline/api';
import { bounds } from '../../streams/bounds';
import { filled, isRecord, MOST_TIMER_MS, refuseUnknown, type Kind } from '../../streams/options';
import { checkSecret, openAuth, type Auth } from '../admission/auth/auth';
import { reliable } from '../admission/auth/own-auth';
import { defaultRates, type Rates } from '../admission/limits/rate-limits';
import { isLoopback } from '../admission/loopback';
import { webOrigin } from '../admission/origin-policy';
import { pathPrefix } from '../http/base-path';
import { defaultDownloadLimits, type DownloadLimits } from '../http/outputs/downloads';
import type { UrlKeys } from '../http/outputs/signed-urls';
import { harmlessLog, silent, type Log } from './log';
import type { Metrics } from '../metrics';
import type { SendQueueLimits } from '../sockets/send-queue';
import type { WebhookOptions } from '../webhooks/webhooks';

/** What `startGateway` serves, where, to whom, and within which bounds. */
export interface GatewayOptions {
  readonly pipeline: Pipeline;
  /** The address or host name to listen at; 127.0.0.1 if absent. Any but a loopback one needs an `auth` with tokens. */
  readonly host?: string;
  /** The port to listen at; 0 takes a free one. */
  readonly port: number;
  /** How callers prove who they are; `openAuth` if absent, under which everybody may do everything. */
  readonly auth?: Auth;
  /** Web origins, besides the gateway's own, whose pages may call it; none if absent. */
  readonly origins?: readonly string[];
  /** The logger; nothing is logged if absent. */
  readonly logger?: Log;
  /** Metrics of `prometheusMetrics`, served to services at `/metrics`; if absent, nothing is counted. */
  readonly metrics?: Metrics;
  /** When a slow reader of live states is cut: by default at 1 MiB waiting, or after 30 s in which nothing left. */
  readonly limits?: Partial<SendQueueLimits>;
  /** How often callers may ask; `defaultRates` if absent. */
  readonly rates?: Partial<Rates>;
  /** How many proxies stand before the gateway, each of which appends to `X-Forwarded-For`; 0 if absent. */
  readonly proxies?: number;
  /** Where webhooks are stored and how they are signed; if absent, a submission with a webhook is refused. */
  readonly webhooks?: WebhookOptions;
  /** Most bytes of a JSON body; 32 MiB if absent. */
  readonly bodyLimitBytes?: number;
  /** Most bytes of an uploaded input; 100 MiB if absent. */
  readonly inputLimitBytes?: number;
  /** Most bytes of an output; 1 GiB if absent. */
  readonly outputLimitBytes?: number;
  /** How many downloads may run and wait; by default 16 a user, 64 a ComfyUI, and 100 waiting a user for up to 10 s. */
  readonly downloads?: Partial<DownloadLimits>;
  /**
   * What signs URLs of outputs and, if it is a secret, tokens for reports. Instances that share it accept each other's.
   * If absent, a random secret of this gateway.
   */
  readonly urlKeys?: UrlKeys;
  /** The prefix of all paths, such as `/comfy`; the root if absent. */
  readonly basePath?: string;
}

const KNOWN: Readonly<Record<keyof GatewayOptions, true>> = {
  pipeline: true,
  host: true,
  port: true,
  auth: true,
  origins: true,
  logger: true,
  metrics: true,
  limits: true,
  rates: true,
  proxies: true,
  webhooks: true,
  bodyLimitBytes: true,
  inputLimitBytes: true,
  outputLimitBytes: true,
  downloads: true,
  urlKeys: true,
  basePath: true,
};

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
const COUNT: Kind = { isGood: isCount, wanted: 'a whole number; 0 for no bound' };
const isTime = (value: unknown): boolean => isCount(value) && Number(value) > 0 && Number(value) <= MOST_TIMER_MS;
const WHOLE: Kind = { isGood: (value) => isCount(value) && Number(value) > 0, wanted: 'a whole number from 1' };

/**
 * Checks the options and fills in defaults for those that are absent or `undefined`. Throws a `TypeError` that names a
 * bad option, and an `Error` if `host` is no loopback address and `auth` needs no tokens.
 */
export function checkedOptions(options: GatewayOptions) {
  if (!isRecord(options)) throw new TypeError('a gateway needs options, an object');
  refuseUnknown(options, KNOWN);
  const { pipeline, host = '127.0.0.1', port, proxies = 0, metrics, webhooks, urlKeys } = options;
  const { bodyLimitBytes = bounds.bodyBytes, inputLimitBytes = bounds.inputBytes } = options;
  const { outputLimitBytes = bounds.outputBytes } = options;
  refuse('pipeline', isRecord(pipeline) && typeof pipeline.get === 'function', 'what createPipeline gives');
  refuse('host', isText(host), 'an address or a host name');
  refuse('port', isCount(port) && port < 65_536, 'a whole number from 0 to 65535; 0 takes a free one');
  refuse('proxies', isCount(proxies), 'a whole number');
  for (const [name, bytes] of Object.entries({ bodyLimitBytes, inputLimitBytes, outputLimitBytes }))
    refuse(name, WHOLE.isGood(bytes), 'a whole number of bytes, at least 1');
  const isCounted = isRecord(metrics) && typeof metrics.telemetry === 'function';
  refuse('metrics', metrics === undefined || isCounted, 'what prometheusMetrics gives');
  const auth = authOf(options);
  if (!auth.required && !isLoopback(host)) throw new Error(`listening at ${host} needs an auth with tokens`);
  if (webhooks !== undefined) checkWebhooks(webhooks);
  if (urlKeys !== undefined) checkUrlKeys(urlKeys);
  const limits = filled('limits', { waitingBytes: 2 ** 20, stallMs: bounds.stallMs }, options.limits, WHOLE);
  const downloads = filled('downloads', defaultDownloadLimits, options.downloads, COUNT);
  const { turnMs, stallBesideOthersMs } = downloads;
  const times = { 'limits.stallMs': limits.stallMs, 'downloads.turnMs': turnMs };
  for (const [name, ms] of Object.entries({ ...times, 'downloads.stallBesideOthersMs': stallBesideOthersMs }))
    refuse(name, isTime(ms), `a whole number of ms from 1 to ${MOST_TIMER_MS}`);
  return {
    pipeline,
    host,
    port,
    auth,
    proxies,
    metrics,
    webhooks,
    urlKeys,
    bodyLimitBytes,
    inputLimitBytes,
    outputLimitBytes,
    logger: harmlessLog(loggerOf(options)),
    origins: originsOf(options),
    basePath: basePathOf(options),
    rates: filled('rates', defaultRates, options.rates, COUNT),
    limits,
    downloads,
  };
}

function refuse(name: string, isGood: boolean, wanted: string): void {
  if (!isGood) throw new TypeError(`${name} must be ${wanted}`);
}

function authOf({ auth = openAuth }: GatewayOptions) {
  const isOne = isRecord(auth) && typeof auth.required === 'boolean' && typeof auth.viewerOf === 'function';
  refuse('auth', isOne, 'an object with required, true or false, and viewerOf, a function');
  return reliable(auth);
}

function loggerOf({ logger = silent }: GatewayOptions): Log {
  const lines = ['debug', 'info', 'warn', 'error'] as const;
  const isOne = typeof logger === 'object' && (logger as Log | null) !== null;
  refuse('logger', isOne && lines.every((line) => typeof logger[line] === 'function'), `one with ${lines.join(', ')}`);
  return logger;
}

function originsOf({ origins = [] }: GatewayOptions): readonly string[] {
  const known = Array.isArray(origins) ? origins.map((origin: unknown) => webOrigin(String(origin))) : [undefined];
  refuse('origins', !known.includes(undefined), 'a list of web origins such as https://app.example.com, without paths');
  return known.filter((origin) => origin !== undefined);
}

function basePathOf({ basePath = '' }: GatewayOptions): string {
  const path = typeof basePath === 'string' ? pathPrefix(basePath) : undefined;
  refuse('basePath', path !== undefined, 'a path such as /comfy');
  return path ?? '';
}

function checkUrlKeys(keys: UrlKeys): void {
  refuse('urlKeys', isRecord(keys) && ('secret' in keys || 'names' in keys), 'an object with a secret, or with names');
  refuseUnknown(keys, { secret: true, names: true }, 'urlKeys.');
  if ('secret' in keys) checkSecret('urlKeys.secret', keys.secret);
  else refuse('urlKeys.names', isRecord(keys.names) && typeof keys.names.reserve === 'function', 'a store');
}

function checkWebhooks(webhooks: WebhookOptions): void {
  refuse('webhooks', isRecord(webhooks), 'an object with hooks, secret and hosts');
  const { hooks, secret, hosts } = webhooks;
  refuseUnknown(webhooks, { hooks: true, secret: true, hosts: true }, 'webhooks.');
  refuse('webhooks.hooks', isRecord(hooks), 'the hooks of a store');
  refuse('webhooks.secret', (secret as unknown) instanceof Uint8Array && secret.length >= 24, 'at least 24 bytes');
  refuse('webhooks.hosts', Array.isArray(hosts) && hosts.every(isText), 'a list of host names');
}
