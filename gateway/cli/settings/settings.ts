import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import {
  BasePath,
  Bound,
  Bytes,
  BodyBytes,
  Count,
  Flag,
  Host,
  InputBytes,
  JwksUrl,
  LogLevel,
  Origins,
  Port,
  RedisUrl,
  Secret,
  Seconds,
  Servers,
  WebhookHosts,
  WebhookSecret,
  Words,
} from './settings.codec';
import { decoded, optional, present, type FieldError, type Given } from '../../wire/described.codec';
import type { AuthSettings } from '../../admission/auth/auth';
import { isLoopback } from '../../admission/loopback';
import type { Rates } from '../../admission/limits/rate-limits';
import type { PipelineOptions } from '../../../pipeline/instance/options';
import type { GatewayOptions } from '../../server/options';
import type { DescribedServer } from './servers-file.codec';
import { misspeltAmong } from './misspelt';

/** Where job states are kept. */
export type StoreSettings =
  { readonly tag: 'redis'; readonly url: string } | { readonly tag: 'embedded'; readonly directory: string };

/** What is set, as the parts that are made of it take it; what is not set has their defaults. */
export interface Settings {
  /** ComfyUI servers, each with a URL of its own. */
  readonly servers: readonly DescribedServer[];
  readonly store: StoreSettings;
  /** Whether the gateway refuses to start on a store that may lose states; else it logs a warning. */
  readonly storeStrict: boolean;
  readonly logLevel: string;
  /** A second address, where `/metrics` is served without a token; absent: none. */
  readonly metrics?: { readonly host: string; readonly port: number };
  /** Absent: no tokens are needed, and everybody on this machine may do everything. */
  readonly auth?: AuthSettings;
  /** Absent: the gateway sends no webhooks. */
  readonly webhooks?: { readonly secret: Uint8Array; readonly hosts: readonly string[] };
  readonly pipeline: Pick<PipelineOptions, 'timeoutMs' | 'userLimits'>;
  readonly gateway: Pick<
    GatewayOptions,
    | ('host' | 'port' | 'origins' | 'rates' | 'proxies' | 'basePath')
    | ('bodyLimitBytes' | 'inputLimitBytes' | 'outputLimitBytes' | 'downloads')
  >;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const AuthVariables = t.type({
  JWT_SECRET: optional(Secret),
  JWT_JWKS_URL: optional(JwksUrl),
  JWT_ISSUER: optional(Words),
  JWT_AUDIENCE: optional(Words),
  JWT_MAX_HOURS: optional(Count),
  JWT_TOLERANCE_S: optional(Seconds),
});
type AuthVariables = Given<t.TypeOf<typeof AuthVariables>>;

const Variables = t.type({
  COMFYUI_URL: Servers,
  REDIS_URL: optional(RedisUrl),
  STORE_STRICT: optional(Flag),
  DATA_DIR: optional(Words),
  HOST: optional(Host),
  PORT: optional(Port),
  LOG_LEVEL: optional(LogLevel),
  METRICS_PORT: optional(Port),
  METRICS_HOST: optional(Host),
  ...AuthVariables.props,
  ORIGINS: optional(Origins),
  MAX_BODY_BYTES: optional(BodyBytes),
  MAX_INPUT_BYTES: optional(InputBytes),
  REQUESTS_PER_MINUTE: optional(Count),
  BYTES_PER_MINUTE: optional(Count),
  ENDED_BYTES_PER_USER: optional(Count),
  MESSAGES_PER_SECOND: optional(Count),
  JOINS_PER_SECOND: optional(Count),
  SOCKETS_PER_USER: optional(Count),
  PROXIES: optional(Count),
  BASE_PATH: optional(BasePath),
  MAX_OUTPUT_BYTES: optional(Bytes),
  DOWNLOADS_PER_USER: optional(Count),
  JOB_TIMEOUT_MS: optional(Bound),
  JOBS_PER_USER: optional(Bound),
  WORKFLOW_BYTES_PER_USER: optional(Bound),
  WEBHOOK_SECRET: optional(WebhookSecret),
  WEBHOOK_HOSTS: optional(WebhookHosts),
});
type Variables = Given<t.TypeOf<typeof Variables>>;

/**
 * Decodes the environment. Left: all that is wrong with it, without secret values. An empty variable counts as absent.
 */
export const settingsOf = (environment: Environment): E.Either<readonly FieldError[], Settings> => {
  const given = givenIn(environment);
  const together = contradictions(given);
  return pipe(
    decoded(Variables, given),
    E.mapLeft((apart) => [...apart, ...together.filter(({ field }) => !apart.some((error) => error.field === field))]),
    E.chain((variables) => (together.length > 0 ? E.left(together) : E.right(settingsFrom(variables)))),
  );
};

/** The variables that are probably settings, misspelt, and what was meant. They have no effect. */
export const misspeltIn = (environment: Environment): readonly FieldError[] =>
  misspeltAmong(givenIn(environment), Object.keys(Variables.props));

/** Without the spaces and line breaks that files and editors leave around a value; of a secret they may be a part. */
const givenIn = (environment: Environment): Environment =>
  Object.fromEntries(
    Object.entries(environment)
      .filter(([, value]) => value !== '')
      .map(([name, value = '']) => [name, name === 'JWT_SECRET' ? value : value.trim() || value]),
  );

/** Decodes only the settings of tokens, for the command `token`; `undefined` if tokens are not used. */
export const authSettingsOf = (environment: Environment): E.Either<readonly FieldError[], AuthSettings | undefined> => {
  return pipe(
    decoded(AuthVariables, givenIn(environment)),
    E.map((variables) => authFrom(variables).auth),
  );
};

/** The text that names the bad settings to whoever started the program. */
export const complaintOf = (errors: readonly FieldError[], what = 'cannot start, these settings are wrong'): string => {
  const width = Math.max(...errors.map(({ field }) => field.length));
  const lines = errors.map(({ field, message }) => `  ${field.padEnd(width)}  ${message}`);
  return [`comfyui-jobstream ${what}:`, ...lines, ''].join('\n');
};

const contradictions = (environment: Environment): readonly FieldError[] => [
  ...contradictionsOfAuth(environment),
  ...(environment['WEBHOOK_HOSTS'] !== undefined && environment['WEBHOOK_SECRET'] === undefined
    ? [{ field: 'WEBHOOK_HOSTS', message: 'means nothing without WEBHOOK_SECRET' }]
    : []),
  ...(environment['METRICS_HOST'] !== undefined && environment['METRICS_PORT'] === undefined
    ? [{ field: 'METRICS_HOST', message: 'means nothing without METRICS_PORT' }]
    : []),
  ...(isSamePlace(environment) ? [{ field: 'METRICS_PORT', message: 'must be another port than PORT' }] : []),
];

const isSamePlace = ({ HOST = LOCAL, PORT = '8787', METRICS_HOST = LOCAL, METRICS_PORT }: Environment): boolean => {
  const hosts = new Set([HOST, METRICS_HOST]);
  return METRICS_PORT === PORT && PORT !== '0' && (hosts.size === 1 || hosts.has('0.0.0.0') || hosts.has('::'));
};
const LOCAL = '127.0.0.1';

const contradictionsOfAuth = ({
  HOST,
  JWT_SECRET,
  JWT_JWKS_URL,
  JWT_ISSUER,
  JWT_AUDIENCE,
  JWT_MAX_HOURS,
  JWT_TOLERANCE_S,
}: Environment): readonly FieldError[] => {
  if (JWT_SECRET !== undefined && JWT_JWKS_URL !== undefined)
    return [{ field: 'JWT_JWKS_URL', message: 'cannot be set beside JWT_SECRET: tokens are checked in one way' }];
  if (JWT_SECRET !== undefined || JWT_JWKS_URL !== undefined) return [];
  const pointless = Object.entries({ JWT_ISSUER, JWT_AUDIENCE, JWT_MAX_HOURS, JWT_TOLERANCE_S }).filter(
    ([, value]) => value !== undefined,
  );
  return [
    ...(HOST !== undefined && !isLoopback(HOST)
      ? [
          {
            field: 'HOST',
            message:
              'must be 127.0.0.1, ::1 or localhost unless JWT_SECRET or JWT_JWKS_URL is set: without, anybody may do everything',
          },
        ]
      : []),
    ...pointless.map(([field]) => ({ field, message: 'means nothing without JWT_SECRET or JWT_JWKS_URL' })),
  ];
};

const settingsFrom = (variables: Variables): Settings => {
  const { HOST, REDIS_URL, METRICS_PORT, WEBHOOK_SECRET } = variables;
  return {
    servers: variables.COMFYUI_URL,
    store:
      REDIS_URL === undefined
        ? { tag: 'embedded', directory: variables.DATA_DIR ?? './data' }
        : { tag: 'redis', url: REDIS_URL },
    storeStrict: variables.STORE_STRICT ?? false,
    logLevel: variables.LOG_LEVEL ?? 'info',
    ...(METRICS_PORT !== undefined && {
      metrics: { host: variables.METRICS_HOST ?? '127.0.0.1', port: METRICS_PORT },
    }),
    ...authFrom(variables),
    ...(WEBHOOK_SECRET && { webhooks: { secret: WEBHOOK_SECRET, hosts: variables.WEBHOOK_HOSTS ?? [] } }),
    pipeline: present({
      timeoutMs: variables.JOB_TIMEOUT_MS,
      userLimits: present({ jobs: variables.JOBS_PER_USER, bytes: variables.WORKFLOW_BYTES_PER_USER }),
    }),
    gateway: present({
      host: HOST,
      port: variables.PORT ?? 8787,
      origins: variables.ORIGINS,
      rates: ratesFrom(variables),
      proxies: variables.PROXIES,
      basePath: variables.BASE_PATH,
      bodyLimitBytes: variables.MAX_BODY_BYTES,
      inputLimitBytes: variables.MAX_INPUT_BYTES,
      outputLimitBytes: variables.MAX_OUTPUT_BYTES,
      downloads: present({ perUser: variables.DOWNLOADS_PER_USER }),
    }),
  };
};

const authFrom = (variables: AuthVariables): Pick<Settings, 'auth'> => {
  const { JWT_SECRET, JWT_JWKS_URL } = variables;
  const expected = present({
    issuer: variables.JWT_ISSUER,
    audience: variables.JWT_AUDIENCE,
    maxHours: variables.JWT_MAX_HOURS,
    toleranceS: variables.JWT_TOLERANCE_S,
  });
  if (JWT_SECRET !== undefined) return { auth: { secret: JWT_SECRET, ...expected } };
  return JWT_JWKS_URL === undefined ? {} : { auth: { jwksUrl: JWT_JWKS_URL, ...expected } };
};

const ratesFrom = (variables: Variables): Partial<Rates> =>
  present({
    requestsPerMinute: variables.REQUESTS_PER_MINUTE,
    bytesPerMinute: variables.BYTES_PER_MINUTE,
    endedBytesPerUser: variables.ENDED_BYTES_PER_USER,
    messagesPerSecond: variables.MESSAGES_PER_SECOND,
    joinsPerSecond: variables.JOINS_PER_SECOND,
    socketsPerUser: variables.SOCKETS_PER_USER,
  });
