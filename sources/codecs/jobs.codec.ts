import * as t from 'io-ts';
import type { Failure } from '../../streams/job/job-state';
import { unexplained } from '../../streams/job/failures';
import { graphOf, type Graph } from '../../streams/job/workflow';
import { brokeIn, interruption, isBlockedBranch, nodeFailure } from './failure';
import { checked, idCodec, idText, isId, nullable } from './frame.codec';
import { endOf, failureIn, knownGraph, messagesOf, someOf, startedIn, type Ended, type Ends } from './history.codec';
import { allOutputsOf } from './outputs.codec';
import { bounds } from '../../streams/bounds';
import { isRecord } from '../../streams/options';

/** A job in a server's queue. */
export interface Queued {
  readonly promptId: string;
  readonly number: number;
  readonly running: boolean;
  /** Read from the workflow at each access, as few are asked for: most jobs of a queue may be other clients'. */
  readonly graph?: Graph;
  /** How many nodes the workflow has; 0 if the answer does not hold it. Counted at each access. */
  readonly nodes: number;
  readonly targets?: readonly string[];
  /** What the job was posted with besides the workflow. */
  readonly extraData: Readonly<Record<string, unknown>>;
}

/**
 * What a server says of one job: it is in the queue, it has ended, or the server does not know it. `isUnsure`: its
 * history is to be asked.
 */
export type Whereabouts = Known & { readonly isUnsure?: true };
type Known = { readonly tag: 'queued'; readonly job: Queued } | Ended | { readonly tag: 'absent' };

const strings = t.array(t.string);

/**
 * `[number, prompt_id, prompt, extra_data, outputs_to_execute, …]`, of which only the id must be there. The number is
 * `null` if a client posted the job with `NaN`.
 */
type Entry = readonly [number: unknown, promptId: string | number, ...rest: unknown[]];
const entryCodec = checked('entry', (entry): entry is Entry => Array.isArray(entry) && isId(entry[1]));
const queueCodec = t.type({ queue_running: t.array(entryCodec), queue_pending: t.array(entryCodec) });

/**
 * Reads `GET /queue`, in the order in which it runs. `undefined` if it is no queue, or an entry has no id: it could be
 * any job (R4).
 */
export function queueOf(json: unknown): readonly Queued[] | undefined {
  if (!isShort(json, 'queue_running') || !isShort(json, 'queue_pending') || !queueCodec.is(json)) return undefined;
  const { queue_running, queue_pending } = json;
  return inOrder([
    ...queue_running.map((entry) => queuedEntry(entry, true)),
    ...queue_pending.map((entry) => queuedEntry(entry, false)),
  ]);
}

const queuedEntry = ([number, promptId, prompt, extra, targets]: Entry, running: boolean): Queued => ({
  promptId: idText(promptId),
  number: typeof number === 'number' ? number : 0,
  running,
  get graph() {
    return graphOf(prompt);
  },
  get nodes() {
    return nodesIn(prompt);
  },
  ...(strings.is(targets) && { targets }),
  extraData: isRecord(extra) ? extra : {},
});

const nodesIn = (prompt: unknown): number => (isRecord(prompt) ? Object.keys(prompt).length : 0);

// ComfyUI leaves absent fields out, which `t.type` does not accept.
const jobCodec = t.intersection([
  t.type({ id: idCodec, status: t.string }),
  t.partial({
    priority: t.unknown,
    outputs: nullable(t.UnknownRecord),
    outputs_count: t.unknown,
    execution_start_time: t.unknown,
    execution_error: t.unknown,
    execution_status: t.unknown,
    workflow: nullable(t.partial({ prompt: t.unknown, extra_data: t.unknown })),
  }),
]);

/**
 * Reads `GET /api/jobs?status=in_progress,pending`, in the order in which it runs; `undefined` if it is no such list.
 * Leaves out jobs in other states: a server that ignores the query lists ended ones, too.
 */
export function jobListOf(json: unknown): readonly Queued[] | undefined {
  const list = t.type({ jobs: t.array(jobCodec) });
  const isInHand = ({ status }: { readonly status: string }): boolean =>
    status === 'in_progress' || status === 'pending';
  return isShort(json, 'jobs') && list.is(json) ? inOrder(json.jobs.filter(isInHand).map(queuedJob)) : undefined;
}

/** Whether the list has `bounds.listedJobs` at most: to look at one costs more than to read it. */
const isShort = (json: unknown, list: string): boolean => {
  const entries = isRecord(json) ? json[list] : undefined;
  return Array.isArray(entries) && entries.length <= bounds.listedJobs;
};

/** Whether this is a list of jobs that says it is only a part of them. */
export const isPartOfList = (json: unknown): boolean =>
  t.type({ jobs: t.UnknownArray, pagination: t.type({ has_more: t.literal(true) }) }).is(json);

const queuedJob = ({ id, status, priority, workflow }: t.TypeOf<typeof jobCodec>): Queued => ({
  promptId: idText(id),
  number: typeof priority === 'number' ? priority : 0,
  running: status === 'in_progress',
  ...(workflow != null && { graph: graphOf(workflow.prompt) }),
  get nodes() {
    return nodesIn(workflow?.prompt);
  },
  extraData: isRecord(workflow?.extra_data) ? workflow.extra_data : {},
});

/** Whether this answers `GET /prompt`: `{"exec_info": {"queue_remaining": 1}}`. */
export const isQueueInfo = (json: unknown): boolean =>
  t.type({ exec_info: t.type({ queue_remaining: t.number }) }).is(json);

/** Whether this is an error as ComfyUI writes it: `{"error": "Job not found"}`. */
export const isRefusal = (json: unknown): boolean => t.type({ error: t.string }).is(json);

/** Whether what `GET /api/jobs/{id}` answers is about this job: a proxy's cache may mix two up. */
export const isAbout = (json: unknown, promptId: string): boolean =>
  t.type({ id: idCodec }).is(json) && idText(json.id) === promptId;

/** Reads `GET /api/jobs/{id}`; `undefined` if it is no job. */
export function jobOf(json: unknown): Whereabouts | undefined {
  if (!jobCodec.is(json)) return undefined;
  const { status, outputs, execution_start_time, workflow } = json;
  const files = allOutputsOf(outputs ?? {});
  const messages = messagesOf(json.execution_status);
  const facts = { ...startedIn(messages, execution_start_time), ...(workflow != null && knownGraph(workflow.prompt)) };
  const failed = (failure: Failure): Ended => ({ tag: 'ended', outcome: failure, ...someOf(files), ...facts });
  switch (status) {
    case 'completed':
      // If the outputs are left out, history is asked: a job does not complete without them (R3).
      return { tag: 'ended', outcome: files, ...facts, ...(outputs == null && json.outputs_count !== 0 && unsure) };
    case 'failed':
      // Up to 0.8 an interrupted job is a failed one, and only its messages tell.
      return failed(failureIn(messages) ?? failureOfNode(json.execution_error) ?? unexplained);
    case 'cancelled':
      return failed(failureIn(messages) ?? interruption({}));
    case 'pending':
    case 'in_progress':
      return { tag: 'queued', job: queuedJob(json) };
    default: {
      // A state that only a later ComfyUI has. The part of history in the answer tells whether the job has ended;
      // without that part, history itself does.
      const end = endOf({ outputs: outputs ?? {}, status: json.execution_status });
      return json.execution_status == null || end === undefined
        ? { tag: 'queued', job: queuedJob(json), ...unsure }
        : { ...end, ...facts };
    }
  }
}

const unsure = { isUnsure: true } as const;

function failureOfNode(error: unknown): Failure | undefined {
  const broke = brokeIn(error);
  return broke === undefined || isBlockedBranch(broke) ? undefined : nodeFailure(broke);
}

/** Reads `GET /api/jobs?status=completed,failed,cancelled&limit=…`; `undefined` if it is no such list. */
export function endedListOf(json: unknown): Ends | undefined {
  const list = t.type({ jobs: t.array(t.type({ id: idCodec })), pagination: t.type({ has_more: t.boolean }) });
  if (!isShort(json, 'jobs') || !list.is(json)) return undefined;
  const ids = json.jobs.map(({ id }) => idText(id));
  return { ids: new Map(ids.map((id) => [id, id])), isAll: !json.pagination.has_more };
}

const inOrder = (jobs: readonly Queued[]): readonly Queued[] =>
  [...jobs].sort((a, b) => Number(b.running) - Number(a.running) || a.number - b.number);

const systemStats = t.type({ system: t.type({ comfyui_version: t.string }) });

/** Reads `GET /system_stats`: whether `POST /interrupt` stops only the job that it names, as from 0.3.64 on. */
export function interruptsById(json: unknown): boolean {
  if (!systemStats.is(json)) return false;
  const [major = 0, minor = 0, patch = 0] = json.system.comfyui_version.replace(/^v/, '').split('.').map(Number);
  return major > 0 || minor > 3 || (minor === 3 && patch >= 64);
}
