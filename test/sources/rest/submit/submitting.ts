import { randomUUID } from 'node:crypto';
import { EMPTY, asyncScheduler, type Subscription } from 'rxjs';
import { findPosted } from '../../../../sources/looks/find-posted';
import { jobRoutes } from '../../../../sources/looks/job-routes';
import { rest, type Rest } from '../../../../sources/rest/rest';
import { serverAddress } from '../../../../sources/server-address';
import { defaultSubmitPolicy, type Submission, type SubmitPolicy } from '../../../../sources/rest/submission';
import { submit } from '../../../../sources/rest/submit';
import { jittered } from '../../../../streams/operators/backoff';
import type { BoardEvent } from '../../../../streams/board/board';
import type { ComfyUIStandIn } from '../../../support/comfyui/stand-in';
import { steps } from '../../../support/comfyui/workflows';
import { finished, stopAll } from '../../../support/comfyui/client/comfyui-client';

export const CLIENT = 'our client';

/** As in earnest, a hundred times as fast. */
const policy: SubmitPolicy = {
  ...defaultSubmitPolicy,
  linkMs: 50,
  postMs: 1_000,
  looksMs: 50,
  giveUpMs: 60_000,
  backoff: jittered({ firstMs: 10, maxMs: 160, steadyMs: 60_000 }, Math.random),
  clock: asyncScheduler,
};

export interface Submitting {
  readonly promptId: string;
  readonly events: readonly BoardEvent[];
  readonly reports: readonly unknown[];
  readonly subscription: Subscription;
  /** Resolves with all events, rejects if it errors. */
  readonly done: Promise<readonly BoardEvent[]>;
}

export const clients: Rest[] = [];
const submitting: Submitting[] = [];

/** Ends what was submitted, and all clients and servers. */
export const letGoOfAll = async () => {
  for (const { subscription } of submitting.splice(0)) subscription.unsubscribe();
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await stopAll();
};

export interface Options {
  readonly policy?: Partial<SubmitPolicy>;
  readonly submission?: Partial<Submission>;
  /** A cancel is asked for as soon as something goes wrong. */
  readonly cancelOnTrouble?: boolean;
  readonly onEvent?: (event: BoardEvent) => void;
  readonly client?: Rest;
}

function aClient(url: string): Rest {
  const client = rest(serverAddress(url), { timeoutMs: 300, maxBytes: 64 << 20, breakAfter: 20 });
  clients.push(client);
  return client;
}

/** Submits a workflow, and notes what is told of it. */
export function submitTo(
  url: string,
  workflow: object,
  { onEvent, cancelOnTrouble = false, client = aClient(url), ...options }: Options = {},
): Submitting {
  const promptId = randomUUID();
  const reports: unknown[] = [];
  const submission: Submission = {
    promptId,
    since: Date.now(),
    clientId: CLIENT,
    prompt: { workflow: JSON.stringify(workflow) },
    linked: () => true,
    wanted: () => true,
    mayPost: () => true,
    maybePosted: false,
    changed$: EMPTY,
    cancelAsked: () => cancelOnTrouble && reports.length > 0,
    ...options.submission,
  };
  const events: BoardEvent[] = [];
  const routes = jobRoutes(client);
  const sources = { rest: client, routes, find: findPosted(routes, asyncScheduler, 10) };
  const report = (_where: string, error: unknown) => reports.push(error);
  let subscription!: Subscription;
  const done = new Promise<readonly BoardEvent[]>((resolve, reject) => {
    subscription = submit(sources, submission, { ...policy, ...options.policy }, report).subscribe({
      next: (event) => {
        events.push(event);
        onEvent?.(event);
      },
      error: reject,
      complete: () => resolve(events),
    });
  });
  const started = { promptId: submission.promptId, events, reports, subscription, done };
  submitting.push(started);
  return started;
}

export const short = () => steps({ steps: 2, secondsPerStep: 0.01 });

/** Resolves with how often each workflow was started, once the one under this id has ended. */
export async function executionsOf(server: ComfyUIStandIn, promptId: string): Promise<readonly number[]> {
  await finished(server, promptId);
  return [...server.executions.values()];
}

export const posts = ({ requests }: ComfyUIStandIn): number =>
  requests.filter(({ method, path }) => method === 'POST' && path === '/prompt').length;
