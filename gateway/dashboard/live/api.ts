import type { JobStanding, NodeError } from '../../../streams/job/job-state';
import type { Curves } from '../../../streams/reports/curves';
import type { Readiness } from '../../http/openapi/response-schemas.codec';
import type { NodeHistory } from '../../wire/node-history';
import type { PublicJob } from '../../wire/public-job';

export type Health = Readiness['checks'];

export interface JobPage {
  readonly jobs: readonly PublicJob[];
  readonly cursor?: string;
  /** The number of jobs by standing, of the query's user or of all, whatever the other filters. */
  readonly totals?: Totals;
  /** Present while the gateway's store is away: these are the jobs of one instance alone. */
  readonly partial?: true;
}

export type Totals = Readonly<Record<JobStanding, number>>;

/** Who the caller is to the gateway. */
export interface Me {
  readonly user?: string;
  readonly service: boolean;
  /** When the token expires, ms since 1970; absent if it does not. */
  readonly expiresAt?: number;
}

/** The body of a submission. */
export interface Submission {
  /** As JSON text. */
  readonly workflow: string;
  readonly type: string;
  readonly userId: string;
  readonly characterId?: string;
  readonly server?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

interface ProblemBody {
  readonly title?: string;
  readonly detail?: string;
  readonly promptId?: string;
  readonly nodeErrors?: readonly NodeError[];
}

/**
 * The gateway answered with an error: 401 if a token is needed. `promptId` is set if ComfyUI refused the job, which
 * exists.
 */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly promptId: string | undefined;
  constructor(
    readonly status: number,
    { title, detail, promptId }: ProblemBody,
  ) {
    super(detail ?? title ?? `The gateway answered ${status}.`);
    this.promptId = promptId;
  }
}

/** The gateway's HTTP API under one token. All methods reject with `Refused`, or another error if no answer comes. */
export interface Api {
  list(query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<JobPage>;
  get(promptId: string, signal?: AbortSignal): Promise<PublicJob>;
  cancel(promptId: string): Promise<PublicJob>;
  /** Safe to repeat under the same key. */
  submit(submission: Submission, key: string): Promise<PublicJob>;
  /** The job's nodes over time, as the asked instance saw them. */
  nodes(promptId: string): Promise<NodeHistory>;
  /** The job's metrics over time. */
  curves(promptId: string): Promise<Pick<Curves, 'points'>>;
  /** One output's bytes. */
  output(promptId: string, n: number): Promise<Blob>;
  /** A URL of an output for `<video>`, which sends no token; `undefined` if the gateway cannot sign URLs. */
  outputUrl(promptId: string, n: number): Promise<string | undefined>;
  /** Who the caller is; `undefined` if the gateway does not say. */
  me(): Promise<Me | undefined>;
  /** The checks of `/readyz`, whether they pass or not. */
  health(): Promise<Health>;
}

/** The gateway's URL: the dashboard's own, with its base path. */
export const gatewayUrl = (): string => new URL('.', document.baseURI).href;

const PATIENCE_MS = 15_000;
/** A submission waits for ComfyUI, which may be starting. */
const SUBMIT_MS = 60_000;

export function gatewayApi(token: string | undefined): Api {
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };

  const ask = async (path: string, how: RequestInit = {}): Promise<Response> => {
    const headers = { ...authorization, ...(how.headers as Record<string, string> | undefined) };
    const answer = await fetch(new URL(path, gatewayUrl()), {
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...how,
      headers,
    });
    if (answer.ok) return answer;
    throw new Refused(answer.status, (await answer.json().catch(() => ({}))) as ProblemBody);
  };
  const json = async <T>(path: string, how?: RequestInit): Promise<T> => (await ask(path, how)).json() as Promise<T>;

  return {
    list: (query, signal) =>
      json(`jobs?${new URLSearchParams(query).toString()}`, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
      }),
    get: (promptId, signal) => json(pathOf(promptId), signal ? { signal } : {}),
    cancel: (promptId) => json(`${pathOf(promptId)}/cancel`, { method: 'POST' }),
    submit: (submission, key) =>
      json('jobs', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
        body: bodyOf(submission),
        signal: AbortSignal.timeout(SUBMIT_MS),
      }),
    nodes: (promptId) => json(`${pathOf(promptId)}/nodes`),
    curves: (promptId) => json(`${pathOf(promptId)}/curves`),
    output: async (promptId, n) => (await ask(`${pathOf(promptId)}/outputs/${n}`, { signal: null })).blob(),
    outputUrl: async (promptId, n) => {
      const path = `${pathOf(promptId)}/outputs/${n}`;
      if (token === undefined) return new URL(path, gatewayUrl()).href;
      const { url } = await json<{ readonly url?: string }>(`${path}/url`, { method: 'POST' }).catch(whereMissing);
      return url === undefined ? undefined : new URL(url, gatewayUrl()).href;
    },
    me: () => json<Me>('me').catch(() => undefined),
    health: async () => {
      const answer = await fetch(new URL('readyz', gatewayUrl()), {
        headers: authorization,
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      return ((await answer.json()) as Readiness).checks;
    },
  };
}

/** Treats 404 and 405 as "no such route": the gateway may be older than this page. */
const whereMissing = (error: unknown): { readonly url?: string } => {
  if (error instanceof Refused && (error.status === 404 || error.status === 405)) return {};
  throw error;
};

/**
 * The body of a submission, with the workflow's text as it is: parsed and encoded again, large numbers would change.
 */
const bodyOf = ({ workflow, ...fields }: Submission): string =>
  `{"workflow":${workflow},${JSON.stringify(fields).slice(1)}`;

/** Why the gateway refuses a token, in its own words; `undefined` if it gives no reason. */
export async function whyRefused(token: string): Promise<string | undefined> {
  try {
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await fetch(new URL('jobs?limit=1', gatewayUrl()), {
      headers,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.status !== 401) return undefined;
    const { detail } = (await answer.json()) as ProblemBody;
    const [, described] = /error_description="([^"]+)"/.exec(answer.headers.get('WWW-Authenticate') ?? '') ?? [];
    return described ?? (detail?.startsWith('Send Authorization') === true ? undefined : detail);
  } catch {
    return undefined;
  }
}

const pathOf = (promptId: string): string => `jobs/${encodeURIComponent(promptId)}`;

/** A random `Idempotency-Key`. Over plain http, browsers offer `crypto.randomUUID` on localhost only. */
export const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
