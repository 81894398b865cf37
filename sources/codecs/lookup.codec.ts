import * as t from 'io-ts';
import type { Failure, JobOutput } from '../../streams/job/job-state';
import { unexplained } from '../../streams/job/failures';
import { graphOf, type Graph } from '../../streams/job/workflow';
import { interruption, isBlockedBranch, nodeFailure } from './failure';
import { brokeCodec, nullable } from './frame.codec';
import { allOutputsOf } from './outputs.codec';

/** A job in a server's queue. */
export interface Queued {
  readonly promptId: string;
  readonly number: number;
  readonly running: boolean;
  /** Read from the workflow at each access: of strangers' jobs few are asked for it. */
  readonly graph?: Graph;
  /** How many nodes the workflow has; 0 where it was not told. Counted at each access. */
  readonly nodes: number;
  readonly targets?: readonly string[];
  /** What the job was posted with besides the workflow. */
  readonly extraData: Readonly<Record<string, unknown>>;
}

/** What a server says of one job: in the queue, at its end, or unknown to it. */
export type Found = { readonly tag: 'queued'; readonly job: Queued } | Ended | { readonly tag: 'absent' };
export interface Ended {
  readonly tag: 'ended';
  readonly outcome: readonly JobOutput[] | Failure;
  /** The outputs that a failed job had made before it failed. */
  readonly outputs?: readonly JobOutput[];
  /** When ComfyUI began to run it, where it says. */
  readonly startedAt?: number;
  readonly graph?: Graph;
}

const strings = t.array(t.string);

/** `[number, prompt_id, prompt, extra_data, outputs_to_execute, …]` */
type Entry = readonly [number | null, string, unknown, unknown, unknown];
/** The number is `null` where a client posted the job with `NaN`. */
const isEntry = (entry: unknown): entry is Entry =>
  Array.isArray(entry) &&
  entry.length >= 5 &&
  (typeof entry[0] === 'number' || entry[0] === null) &&
  typeof entry[1] === 'string';

const entryCodec = new t.Type<Entry>(
  'entry',
  isEntry,
  (entry, context) => (isEntry(entry) ? t.success(entry) : t.failure(entry, context)),
  t.identity,
);
const queueCodec = t.type({ queue_running: t.array(entryCodec), queue_pending: t.array(entryCodec) });

/** `GET /queue`, in the order in which it runs; `undefined` where that is no queue, or holds what may be any job (R4). */
export function queueOf(json: unknown): readonly Queued[] | undefined {
  if (!queueCodec.is(json)) return undefined;
  const { queue_running, queue_pending } = json;
  return inOrder([
    ...queue_running.map((entry) => queuedEntry(entry, true)),
    ...queue_pending.map((entry) => queuedEntry(entry, false)),
  ]);
}

const queuedEntry = ([number, promptId, prompt, extra, targets]: Entry, running: boolean): Queued => ({
  promptId,
  number: number ?? 0,
  running,
  get graph() {
    return graphOf(prompt);
  },
  get nodes() {
    return nodesIn(prompt);
  },
  ...(strings.is(targets) && { targets }),
  extraData: t.UnknownRecord.is(extra) ? extra : {},
});

const nodesIn = (prompt: unknown): number => (t.UnknownRecord.is(prompt) ? Object.keys(prompt).length : 0);

// What is not there is left out, not null: `t.type` would miss the key.
const jobCodec = t.intersection([
  t.type({ id: t.string, status: t.string }),
  t.partial({
    priority: nullable(t.number),
    outputs: nullable(t.UnknownRecord),
    execution_start_time: t.unknown,
    execution_error: t.unknown,
    execution_status: t.unknown,
    workflow: nullable(t.partial({ prompt: t.unknown, extra_data: t.unknown })),
  }),
]);

/** `GET /api/jobs?status=in_progress,pending`, in the order in which it runs; `undefined` where that is no such list. */
export function jobListOf(json: unknown): readonly Queued[] | undefined {
  const list = t.type({ jobs: t.array(jobCodec) });
  return list.is(json) ? inOrder(json.jobs.map(queuedJob)) : undefined;
}

const queuedJob = ({ id, status, priority, workflow }: t.TypeOf<typeof jobCodec>): Queued => ({
  promptId: id,
  number: priority ?? 0,
  running: status === 'in_progress',
  ...(workflow != null && { graph: graphOf(workflow.prompt) }),
  get nodes() {
    return nodesIn(workflow?.prompt);
  },
  extraData: t.UnknownRecord.is(workflow?.extra_data) ? workflow.extra_data : {},
});

/** `GET /prompt`: `{"exec_info": {"queue_remaining": 1}}`. */
export const isQueueInfo = (json: unknown): boolean =>
  t.type({ exec_info: t.type({ queue_remaining: t.number }) }).is(json);

/** `{"error": "Job not found"}`, as ComfyUI says it. */
export const isRefusal = (json: unknown): boolean => t.type({ error: t.string }).is(json);

/** `GET /api/jobs/{id}`; `undefined` where that is no job. */
export function jobOf(json: unknown): Found | undefined {
  if (!jobCodec.is(json)) return undefined;
  const { id, status, outputs, execution_start_time, workflow } = json;
  const files = allOutputsOf(outputs ?? {});
  const messages = messagesOf(json.execution_status);
  const facts = { ...startedIn(messages, execution_start_time), ...(workflow != null && knownGraph(workflow.prompt)) };
  const failed = (failure: Failure): Ended => ({ tag: 'ended', outcome: failure, ...someOf(files), ...facts });
  switch (status) {
    case 'completed':
      return { tag: 'ended', outcome: files, ...facts };
    case 'failed':
      // Up to 0.8 an interrupted job is a failed one, and only its messages tell.
      return failed(
        (brokeCodec.is(json.execution_error) ? nodeFailure(json.execution_error) : undefined) ??
          failureIn(messages) ??
          unexplained,
      );
    case 'cancelled':
      return failed(failureIn(messages) ?? interruption({ prompt_id: id }));
    default:
      return { tag: 'queued', job: queuedJob(json) };
  }
}

const statusCodec = t.partial({ messages: nullable(t.array(t.unknown)) });
const messagesOf = (status: unknown): readonly unknown[] => (statusCodec.is(status) ? (status.messages ?? []) : []);

const someOf = (outputs: readonly JobOutput[]): Pick<Ended, 'outputs'> => (outputs.length > 0 ? { outputs } : {});

function knownGraph(prompt: unknown): Pick<Ended, 'graph'> {
  const graph = graphOf(prompt);
  return graph.size > 0 ? { graph } : {};
}

const historyCodec = t.intersection([
  t.type({ outputs: t.UnknownRecord }),
  t.partial({ status: nullable(t.partial({ status_str: t.unknown, messages: t.unknown })), prompt: t.unknown }),
]);

/** `GET /history/{id}`: `{}` while it is not written, and for a job that is not known. `undefined` where that is no history. */
export function historyOf(json: unknown, promptId: string): Ended | { readonly tag: 'absent' } | undefined {
  if (!t.UnknownRecord.is(json)) return undefined;
  if (!Object.hasOwn(json, promptId)) return { tag: 'absent' };
  const entry = json[promptId];
  if (!historyCodec.is(entry)) return undefined;
  const { outputs, status, prompt } = entry;
  const files = allOutputsOf(outputs);
  const messages = messagesOf(status);
  const facts = { ...startedIn(messages), ...(isEntry(prompt) && knownGraph(prompt[2])) };
  // Before 0.3 a success has no status at all; whatever says "error" without saying why is one all the same.
  const failure =
    status?.status_str === 'success'
      ? undefined
      : (failureIn(messages) ?? (status?.status_str === 'error' ? unexplained : undefined));
  return failure === undefined
    ? { tag: 'ended', outcome: files, ...facts }
    : { tag: 'ended', outcome: failure, ...someOf(files), ...facts };
}

/** When ComfyUI began to run the job: by its own field, else by its first message. */
function startedIn(messages: readonly unknown[], field?: unknown): Pick<Ended, 'startedAt'> {
  if (isTime(field)) return { startedAt: field };
  for (const message of messages) {
    if (!Array.isArray(message) || message[0] !== 'execution_start') continue;
    const said: unknown = message[1];
    return t.UnknownRecord.is(said) && isTime(said['timestamp']) ? { startedAt: said['timestamp'] } : {};
  }
  return {};
}

const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

/** The ids of jobs that have ended, by these and by the ids that we posted them under, and whether the server remembers no others. */
export interface Ends {
  readonly ids: ReadonlyMap<string, string>;
  readonly isAll: boolean;
}

/** `GET /history?max_items=…`: fewer than asked for are all there are. `undefined` where that is no history. */
export function historyIdsOf(json: unknown, mark: string, asked: number): Ends | undefined {
  if (!t.UnknownRecord.is(json)) return undefined;
  const entries = Object.entries(json);
  if (!entries.every(([, entry]) => historyCodec.is(entry))) return undefined;
  const ids = new Map(entries.map(([id]) => [id, id]));
  for (const [id, entry] of entries) {
    const prompt = historyCodec.is(entry) ? entry.prompt : undefined;
    const posted = isEntry(prompt) && t.UnknownRecord.is(prompt[3]) ? prompt[3][mark] : undefined;
    if (typeof posted === 'string' && !ids.has(posted)) ids.set(posted, id);
  }
  return { ids, isAll: entries.length < asked };
}

/** `GET /api/jobs?status=completed,failed,cancelled&limit=…`; `undefined` where that is no such list. */
export function endedListOf(json: unknown): Ends | undefined {
  const list = t.type({ jobs: t.array(t.type({ id: t.string })), pagination: t.type({ has_more: t.boolean }) });
  if (!list.is(json)) return undefined;
  return { ids: new Map(json.jobs.map(({ id }) => [id, id])), isAll: !json.pagination.has_more };
}

/** The id under which history holds the job that was posted with this extra data. */
export function historyIdOf(
  json: unknown,
  isIt: (extraData: Readonly<Record<string, unknown>>) => boolean,
): string | undefined {
  if (!t.UnknownRecord.is(json)) return undefined;
  return Object.entries(json).find(([, entry]) => {
    const prompt = historyCodec.is(entry) ? entry.prompt : undefined;
    return isEntry(prompt) && t.UnknownRecord.is(prompt[3]) && isIt(prompt[3]);
  })?.[0];
}

/** `execution_interrupted`, not `status_str`, tells a cancel from a failure. A blocked branch is neither. */
function failureIn(messages: readonly unknown[]): Failure | undefined {
  for (const message of messages) {
    if (!Array.isArray(message) || !brokeCodec.is(message[1])) continue;
    if (message[0] === 'execution_interrupted') return interruption(message[1]);
    if (message[0] === 'execution_error' && !isBlockedBranch(message[1])) return nodeFailure(message[1]);
  }
  return undefined;
}

const inOrder = (jobs: readonly Queued[]): readonly Queued[] =>
  [...jobs].sort((a, b) => Number(b.running) - Number(a.running) || a.number - b.number);

const systemStats = t.type({ system: t.type({ comfyui_version: t.string }) });

/** `GET /system_stats`: whether `POST /interrupt` stops the job that it names and no other, as from 0.3.64 on. */
export function interruptsById(json: unknown): boolean {
  if (!systemStats.is(json)) return false;
  const [major = 0, minor = 0, patch = 0] = json.system.comfyui_version.replace(/^v/, '').split('.').map(Number);
  return major > 0 || minor > 3 || (minor === 3 && patch >= 64);
}
