import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { orderOf } from './orders';

/** How one run of a workflow truly ended at ComfyUI. */
export interface Ending {
  readonly order: number;
  readonly runId: string;
  readonly how: 'success' | 'error' | 'interrupted';
  /** How many files its outputs name. */
  readonly files: number;
  readonly at: number;
}

interface HistoryItem {
  readonly prompt: readonly [number, string, unknown];
  readonly outputs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly status: { readonly status_str: string; readonly messages: readonly (readonly [string, object])[] };
}

/** Our own questions, told from the service's by this. */
const ASKED_BY_US = '/history?max_items=100000';

/** What ComfyUI servers know of the jobs they ran, kept over their restarts. */
export interface Truth {
  /** Reads all histories; before a server forgets its own, and at the end. */
  read(server: ComfyUIStandIn): Promise<void>;
  readonly endings: ReadonlyMap<string, Ending>;
  /** The orders that a server knows now, in its queue or history: what a restart makes it forget. */
  held(server: ComfyUIStandIn): Promise<readonly number[]>;
  /** Requests that the service made: ours and posted workflows apart. */
  requests(server: ComfyUIStandIn): number;
}

export function truth(): Truth {
  const endings = new Map<string, Ending>();
  return {
    read: async ({ url }) => {
      const history = (await (await fetch(url + ASKED_BY_US)).json()) as Record<string, HistoryItem>;
      for (const [runId, item] of Object.entries(history)) endings.set(runId, endingOf(runId, item));
    },
    endings,
    held: async ({ url }) => {
      const [queue, history] = await Promise.all([fetch(`${url}/queue`), fetch(url + ASKED_BY_US)]);
      const { queue_running, queue_pending } = (await queue.json()) as Record<string, readonly HistoryItem['prompt'][]>;
      const ended = Object.values((await history.json()) as Record<string, HistoryItem>);
      return [...(queue_running ?? []), ...(queue_pending ?? []), ...ended.map(({ prompt }) => prompt)].flatMap(
        ([, , workflow]) => orderOf(workflow) ?? [],
      );
    },
    requests: ({ requests }) =>
      requests.filter(({ method, path }) => path !== ASKED_BY_US && !(method === 'POST' && path === '/prompt')).length,
  };
}

function endingOf(runId: string, { prompt, outputs, status }: HistoryItem): Ending {
  const isInterrupted = status.messages.some(([event]) => event === 'execution_interrupted');
  return {
    order: orderOf(prompt[2]) ?? -1,
    runId,
    at: Number((status.messages.at(-1)?.[1] as { timestamp?: number } | undefined)?.timestamp),
    how: status.status_str === 'success' ? 'success' : isInterrupted ? 'interrupted' : 'error',
    files: Object.values(outputs)
      .flatMap((output) => Object.values(output).filter(Array.isArray).flat() as { filename?: unknown }[])
      .filter((file) => typeof file === 'object' && file.filename !== undefined).length,
  };
}

/** Every execution of an order, by the mark that each of its runs carries: an old server gives it an id of its own. */
export interface Execution {
  readonly order: number;
  readonly runId: string;
  readonly mark: string;
  readonly server: string;
  /** Ms since 1970. */
  readonly startedAt: number;
}

/** What these servers executed, the earliest first: a job may run again on another server. */
export const executionsOf = (servers: readonly { readonly comfy: ComfyUIStandIn }[]): readonly Execution[] =>
  servers
    .flatMap(({ comfy: { url, executedWorkflows } }) =>
      executedWorkflows.map(({ promptId, extraData, workflow, startedAt }) => ({
        order: orderOf(workflow) ?? -1,
        runId: promptId,
        mark: String(extraData['jobstream_prompt_id']),
        server: url,
        startedAt,
      })),
    )
    .sort((a, b) => a.startedAt - b.startedAt);
