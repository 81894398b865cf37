import { randomUUID } from 'node:crypto';
import type { StoredFile } from './file-response';
import { parse } from 'lossless-json';
import { jobDetail, jobList, queueLists } from './jobs-api';
import type { Prompt } from '../execution/graph';
import { objectInfo } from '../nodes/nodes';
import type { ServerProcess } from '../server-process';
import { validatePrompt } from './validation';

/** A request, its body already read. */
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
}

/** A response; JSON where `json` is set, else `body` as it is. */
export interface Response {
  readonly status: number;
  readonly json?: unknown;
  readonly body?: string | Buffer;
  readonly contentType?: string;
}

type Fields = Readonly<Record<string, unknown>>;
type Handler = (process: ServerProcess, request: Request, id: string) => Response;

const empty: Response = { status: 200 };
const json = (value: unknown, status = 200): Response => ({ status, json: value });

/** ComfyUI's routes; the first that fits answers. */
const routes: readonly (readonly [method: string, path: RegExp, handle: Handler])[] = [
  ['POST', /^\/prompt$/, postPrompt],
  ['GET', /^\/prompt$/, (process) => json(process.queueInfo())],
  ['GET', /^\/queue$/, (process) => json(queueLists(process, process.setting.faults.giantQueue))],
  ['POST', /^\/queue$/, postQueue],
  ['GET', /^\/history\/([^/]+)$/, ({ memory }, _, id) => json(pick(memory.history, id))],
  ['GET', /^\/history$/, getHistory],
  ['POST', /^\/history$/, postHistory],
  ['POST', /^\/interrupt$/, postInterrupt],
  ['POST', /^\/free$/, () => empty],
  ['GET', /^\/system_stats$/, systemStats],
  ['GET', /^\/object_info$/, () => json(objectInfo())],
  ['GET', /^\/view$/, view],
];

const jobRoutes: typeof routes = [
  ['GET', /^\/api\/jobs$/, getJobs],
  ['GET', /^\/api\/jobs\/([^/]+)$/, (process, _, id) => found(jobDetail(process, id))],
];

const cancelRoutes: typeof routes = [['POST', /^\/api\/jobs\/([^/]+)\/cancel$/, postCancel]];

/** Answers as ComfyUI does. Every route is there with `/api` before it, too. */
export function answer(process: ServerProcess, request: Request): Response {
  const path = request.path.replace(/^\/api(?=\/(?!jobs))/, '');
  const { jobsApi, cancelledStatus } = process.setting.traits;
  const known = jobsApi ? [...routes, ...jobRoutes, ...(cancelledStatus ? cancelRoutes : [])] : routes;
  for (const [method, pattern, handle] of known) {
    const match = method === request.method ? pattern.exec(path) : null;
    if (match) return handle(process, request, match[1] ?? '');
  }
  // Whatever is no route goes to the web page's files, which can only be read.
  return request.method === 'GET' ? { status: 404 } : { status: 405, body: '405: Method Not Allowed' };
}

function postPrompt(process: ServerProcess, { body }: Request): Response {
  const { traits } = process.setting;
  const posted = fields(body);
  const { prompt, prompt_id } = posted;
  if (typeof prompt !== 'object' || prompt === null) {
    const message = 'No prompt provided';
    return refusal({ type: 'no_prompt', message, details: message, extra_info: {} });
  }
  if (traits.wantsUuid && prompt_id !== undefined && prompt_id !== null && !isUuid(prompt_id)) {
    const details =
      'prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server generate one';
    return refusal({ type: 'invalid_prompt_id', message: 'prompt_id must be a valid UUID', details, extra_info: {} });
  }
  const number =
    typeof posted['number'] === 'number' ? posted['number'] : process.nextNumber() * (posted['front'] ? -1 : 1);
  const { error, outputs, nodeErrors } = validatePrompt(prompt as Prompt, traits);
  if (error) return refusal(error, nodeErrors);
  const promptId = traits.keepsPromptId && typeof prompt_id === 'string' ? prompt_id : randomUUID();
  const extraData = {
    ...(posted['extra_data'] as Fields | undefined),
    ...('client_id' in posted && { client_id: posted['client_id'] }),
    ...(traits.createTime && { create_time: Date.now() }),
  };
  process.put({ number, promptId, prompt: prompt as Prompt, extraData, outputs });
  return json({ prompt_id: promptId, number, node_errors: nodeErrors });
}

function postQueue(process: ServerProcess, { body }: Request): Response {
  const posted = fields(body);
  if (posted['clear'] === true) process.wipe();
  for (const id of list(posted['delete'])) process.remove(id);
  return empty;
}

function getHistory({ memory }: ServerProcess, { query }: Request): Response {
  const items = [...memory.history];
  const newest = query.has('max_items')
    ? items.slice(Math.max(items.length - Number(query.get('max_items')), 0))
    : items;
  return json(new Map(newest));
}

function postHistory({ memory }: ServerProcess, { body }: Request): Response {
  const posted = fields(body);
  if (posted['clear'] === true) memory.history.clear();
  for (const id of list(posted['delete'])) memory.history.delete(id);
  return empty;
}

function postInterrupt(process: ServerProcess, { body }: Request): Response {
  const { prompt_id } = fields(body);
  const isTargeted = process.setting.traits.interruptsById && typeof prompt_id === 'string' && prompt_id !== '';
  process.interrupt(isTargeted ? prompt_id : undefined);
  return empty;
}

function getJobs(process: ServerProcess, { query }: Request): Response {
  const known = ['pending', 'in_progress', 'completed', 'failed'];
  if (process.setting.traits.cancelledStatus) known.push('cancelled');
  const odd = (query.get('status') ?? '').split(',').filter((status) => status !== '' && !known.includes(status));
  return odd.length > 0
    ? json({ error: `Invalid status value(s): ${odd.join(', ')}. Valid values: ${known.join(', ')}` }, 400)
    : json(jobList(process, query));
}

function postCancel(process: ServerProcess, _: Request, id: string): Response {
  if (!jobDetail(process, id)) return found(undefined);
  return json({ cancelled: process.interrupt(id) || process.remove(id) });
}

function view(process: ServerProcess, { query }: Request): Response {
  const file = fileOf(process, query);
  return file ? { status: 200, body: file.bytes, contentType: file.mimeType } : { status: 404 };
}

/** The file that `/view` is asked for. */
export function fileOf({ setting }: ServerProcess, query: URLSearchParams): StoredFile | undefined {
  const filename = query.get('filename') ?? '';
  return setting.files.stored({
    filename,
    subfolder: query.get('subfolder') ?? '',
    type: query.get('type') ?? 'output',
  });
}

function systemStats({ setting }: ServerProcess): Response {
  const device = { type: 'cuda', index: 0, vram_total: 25757220864, vram_free: 21474836480 };
  const torch = { torch_vram_total: 0, torch_vram_free: 0 };
  return json({
    system: {
      os: 'posix',
      ram_total: 67108864000,
      ram_free: 50331648000,
      comfyui_version: setting.traits.version,
      python_version: '3.12.3 (main)',
      pytorch_version: '2.8.0+cu128',
      embedded_python: false,
      argv: ['main.py'],
    },
    devices: [{ name: 'cuda:0 Simulated GPU', ...device, ...torch }],
  });
}

function pick(history: ReadonlyMap<string, unknown>, id: string): object {
  return history.has(id) ? { [id]: history.get(id) } : {};
}

function found(job: object | undefined): Response {
  return job ? json(job) : json({ error: 'Job not found' }, 404);
}

function refusal(error: object, nodeErrors: object = {}): Response {
  return json({ error, node_errors: nodeErrors }, 400);
}

function fields(body: string): Fields {
  try {
    const parsed: unknown = parse(body, null, (text) => pythonNumber(text));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Fields) : {};
  } catch {
    return {};
  }
}

/** Python's integers have all their digits. */
function pythonNumber(text: string): number | bigint {
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(Number(text)) ? BigInt(text) : Number(text);
}

function list(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function isUuid(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
}
