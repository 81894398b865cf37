import { queueItem } from '../execution/job';
import type { HistoryItem, Job } from '../execution/job';
import type { ServerProcess } from '../server-process';
import type { VersionTraits } from '../versions';

/** `GET /api/jobs/{id}`: everything about a job, or `undefined` if it is in no list. */
export function jobDetail({ memory, running, setting }: ServerProcess, promptId: string): object | undefined {
  const item = memory.history.get(promptId);
  if (item) {
    const [, , prompt, extra_data] = item.prompt;
    const rest = { outputs: normalized(item.outputs), execution_status: item.status, workflow: { prompt, extra_data } };
    return { ...finishedJob(promptId, item, setting.traits), ...rest };
  }
  const job = [running, ...memory.pending].find((candidate) => candidate?.promptId === promptId);
  if (!job) return undefined;
  const workflow = { prompt: job.prompt, extra_data: job.extraData };
  return { ...queuedJob(job, job === running ? 'in_progress' : 'pending'), workflow };
}

/** `GET /api/jobs`: one page of jobs without their workflows, newest first. */
export function jobList({ memory, running, setting }: ServerProcess, query: URLSearchParams): object {
  const all = [
    ...(running ? [queuedJob(running, 'in_progress')] : []),
    ...memory.pending.map((job) => queuedJob(job, 'pending')),
    ...[...memory.history].map(([id, item]) => finishedJob(id, item, setting.traits)),
  ];
  const wanted = query.get('status')?.split(',');
  const found = all
    .filter(({ status }) => wanted === undefined || wanted.includes(status))
    .sort((a, b) => created(b) - created(a));
  const offset = Math.max(Number(query.get('offset') ?? 0), 0);
  const limit = query.has('limit') ? Number(query.get('limit')) : null;
  const jobs = found.slice(offset, limit === null ? undefined : offset + limit);
  const has_more = offset + jobs.length < found.length;
  return { jobs, pagination: { offset, limit, total: found.length, has_more } };
}

function queuedJob({ number, promptId, extraData }: Job, status: 'in_progress' | 'pending') {
  const { create_time } = extraData;
  return { id: promptId, status, priority: number, create_time, outputs_count: 0, previewable_outputs_count: 0 };
}

function finishedJob(id: string, { prompt, outputs, status }: HistoryItem, { cancelledStatus }: VersionTraits) {
  const [priority, , , extraData] = prompt;
  const { create_time } = extraData as Job['extraData'];
  const at = (pattern: RegExp) => status.messages.find(([event]) => pattern.test(event))?.[1];
  const error = at(/^execution_error$/);
  const count = outputFiles(outputs).length;
  return {
    id,
    status: status.completed ? 'completed' : cancelledStatus && at(/^execution_interrupted$/) ? 'cancelled' : 'failed',
    priority,
    create_time,
    execution_start_time: at(/^execution_start$/)?.['timestamp'],
    execution_end_time: at(/^execution_(success|error|interrupted)$/)?.['timestamp'],
    ...(error && { execution_error: error }),
    outputs_count: count,
    previewable_outputs_count: count,
    ...(count > 0 && { preview_output: previewOutput(outputs) }),
  };
}

function outputFiles(outputs: HistoryItem['outputs']) {
  return Object.entries(outputs).flatMap(([nodeId, output]) =>
    Object.entries(output as Record<string, readonly unknown[]>).flatMap(([mediaType, items]) =>
      items.filter(isFile).map((file) => ({ ...file, nodeId, mediaType })),
    ),
  );
}

const isFile = (item: unknown): item is { readonly filename: string; readonly type?: string } =>
  typeof item === 'object' && item !== null && 'filename' in item;

/** A model that a node names by its path alone is told as a file, and what is nothing is left out. */
function normalized(outputs: HistoryItem['outputs']): object {
  const item = (value: unknown): unknown =>
    typeof value === 'string' && /\.(glb|obj|ply)$/.test(value)
      ? { filename: value, type: 'output', subfolder: '', mediaType: '3d' }
      : value;
  const lists = (output: unknown): object =>
    Object.fromEntries(
      Object.entries(output as Record<string, readonly unknown[]>).map(([kind, items]) => [
        kind,
        items.filter((value) => value !== null).map(item),
      ]),
    );
  return Object.fromEntries(Object.entries(outputs).map(([id, output]) => [id, lists(output)]));
}

function previewOutput(outputs: HistoryItem['outputs']) {
  const files = outputFiles(outputs);
  return files.find(({ type }) => type === 'output') ?? files[0];
}

const created = ({ create_time }: { create_time?: unknown }) => Number(create_time ?? 0);

/** `GET /queue`: whole workflows, and as many fillers as asked for. */
export function queueLists({ memory, running }: ServerProcess, fillers: number): object {
  const queue_pending = memory.pending.map(queueItem);
  for (let n = 0; n < fillers; n += 1) queue_pending.push(filler(n));
  return { queue_running: running ? [queueItem(running)] : [], queue_pending };
}

function filler(n: number): unknown[] {
  const id = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const node = (k: number) => ({
    class_type: 'CLIPTextEncode',
    inputs: { text: `filler ${n} ${'x'.repeat(100)}`, clip: [String(k), 1] },
  });
  const prompt = Object.fromEntries(Array.from({ length: 60 }, (_, k) => [String(k + 1), node(k)]));
  return [1e6 + n, id, prompt, { client_id: 'somebody-else' }, ['60']];
}
