import * as t from 'io-ts';
import { bounds } from '../../streams/bounds';
import { unexplained } from '../../streams/job/failures';
import type { Failure, JobOutput } from '../../streams/job/job-state';
import { graphOf, type Graph } from '../../streams/job/workflow';
import { brokeIn, interruption, isBlockedBranch, nodeFailure } from './failure';
import { idText, isId, nullable } from './frame.codec';
import { allOutputsOf } from './outputs.codec';
import { isRecord } from '../../streams/options';

/** A job that has ended, as its server tells of it. */
export interface Ended {
  readonly tag: 'ended';
  readonly outcome: readonly JobOutput[] | Failure;
  /** The outputs that a failed job had made before it failed. */
  readonly outputs?: readonly JobOutput[];
  /** When ComfyUI began to run it, ms since 1970; absent if it does not say. */
  readonly startedAt?: number;
  readonly graph?: Graph;
}

const statusCodec = t.partial({ status_str: t.unknown, completed: t.unknown, messages: t.unknown });
type Status = t.TypeOf<typeof statusCodec>;

const entryCodec = t.partial({ outputs: nullable(t.UnknownRecord), status: nullable(statusCodec), prompt: t.unknown });
type HistoryEntry = t.TypeOf<typeof entryCodec>;

/** An entry has outputs, by which old servers without a `status` tell an end, or a status that tells a failure. */
const isHistoryEntry = (entry: unknown): entry is HistoryEntry =>
  isRecord(entry) &&
  entryCodec.is(entry) &&
  (entry.outputs != null || failureOf(entry.status, messagesOf(entry.status)) !== undefined);

/**
 * Reads `GET /history/{id}`. `absent` for `{}`, which ComfyUI answers for an unknown job, and while the entry is not
 * written yet; `undefined` if the answer is no history, or the entry is another job's.
 */
export function historyOf(json: unknown, promptId: string): Ended | { readonly tag: 'absent' } | undefined {
  if (!isRecord(json)) return undefined;
  if (!Object.hasOwn(json, promptId)) return { tag: 'absent' };
  const entry = json[promptId];
  const told = isHistoryEntry(entry) ? promptIn(entry)[1] : undefined;
  return isId(told) && idText(told) !== promptId ? undefined : endOf(entry);
}

/** The end that an entry of history tells; `undefined` if it is no entry. */
export function endOf(entry: unknown): Ended | undefined {
  if (!isHistoryEntry(entry)) return undefined;
  const { outputs, status } = entry;
  const files = allOutputsOf(outputs ?? {});
  const messages = messagesOf(status);
  const facts = { ...startedIn(messages), ...knownGraph(promptIn(entry)[2]) };
  const failure = failureOf(status, messages);
  return failure === undefined
    ? { tag: 'ended', outcome: files, ...facts }
    : { tag: 'ended', outcome: failure, ...someOf(files), ...facts };
}

/** Words of `status_str` for a bad end, if a server has others than ComfyUI's `error`. */
const badEnd = /err|fail|abort|cancel|interrupt/i;
const stopped = /abort|cancel|interrupt/i;

/**
 * Why a job failed, by its status; `undefined` if it did not. Before 0.3 a success has no status. Where `status_str`
 * and `completed` disagree, the messages decide. A status that says "failed" and not why is a failure all the same.
 */
function failureOf(status: Status | null | undefined, messages: readonly unknown[]): Failure | undefined {
  const { status_str: word, completed } = status ?? {};
  if (word === 'success' && completed !== false) return undefined;
  const told = failureIn(messages);
  if (told !== undefined || word === 'success' || completed === true) return told;
  if (typeof word === 'string' && stopped.test(word)) return interruption({});
  return completed === false || (typeof word === 'string' && badEnd.test(word)) ? unexplained : undefined;
}

/**
 * The failure among the messages. `execution_interrupted`, not `status_str`, tells a cancel from a failure; a blocked
 * branch is neither.
 */
export function failureIn(messages: readonly unknown[]): Failure | undefined {
  for (const message of messages) {
    if (!Array.isArray(message)) continue;
    const broke = brokeIn(message[1]);
    if (broke === undefined) continue;
    if (message[0] === 'execution_interrupted') return interruption(broke);
    if (message[0] === 'execution_error' && !isBlockedBranch(broke)) return nodeFailure(broke);
  }
  return undefined;
}

/** The messages that ComfyUI sent while it ran a job, as its history keeps them. */
export const messagesOf = (status: unknown): readonly unknown[] =>
  statusCodec.is(status) && Array.isArray(status.messages) ? (status.messages as readonly unknown[]) : [];

export const someOf = (outputs: readonly JobOutput[]): Pick<Ended, 'outputs'> =>
  outputs.length > 0 ? { outputs } : {};

export function knownGraph(prompt: unknown): Pick<Ended, 'graph'> {
  const graph = graphOf(prompt);
  return graph.size > 0 ? { graph } : {};
}

/** When ComfyUI began to run the job: by its own field, else by its first message. */
export function startedIn(messages: readonly unknown[], field?: unknown): Pick<Ended, 'startedAt'> {
  if (isTime(field)) return { startedAt: field };
  for (const message of messages) {
    if (!Array.isArray(message) || message[0] !== 'execution_start') continue;
    const said: unknown = message[1];
    return isRecord(said) && isTime(said['timestamp']) ? { startedAt: said['timestamp'] } : {};
  }
  return {};
}

const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

/**
 * The jobs that have ended: their ids, by these and by the ids that we posted them under. `isAll`: the server remembers
 * no others.
 */
export interface Ends {
  readonly ids: ReadonlyMap<string, string>;
  readonly isAll: boolean;
}

/**
 * Reads `GET /history?max_items=…`: if there are fewer entries than asked for, they are all. `undefined` if the answer
 * is no history.
 */
export function historyIdsOf(json: unknown, mark: string, asked: number): Ends | undefined {
  if (!isRecord(json)) return undefined;
  const entries = Object.entries(json);
  if (entries.length > bounds.listedJobs || !entries.every(([, entry]) => isHistoryEntry(entry))) return undefined;
  const ids = new Map(entries.map(([id]) => [id, id]));
  for (const [id, entry] of entries) {
    const posted = extraDataOf(entry)?.[mark];
    if (typeof posted === 'string' && !ids.has(posted)) ids.set(posted, id);
  }
  return { ids, isAll: entries.length < asked };
}

/** A part of history: the ids of its jobs, by the ids that we posted them under. */
export interface Marked {
  readonly ids: ReadonlyMap<string, string>;
  /** Whether the server remembers no others. */
  readonly isAll: boolean;
  /** When the first of them began, ms since 1970; ∞ if none says. */
  readonly oldestAt: number;
}

/** Reads the marks in `GET /history?max_items=…`; entries that cannot be read have none. */
export function markedIn(json: unknown, mark: string, asked: number): Marked | undefined {
  if (!isRecord(json)) return undefined;
  const entries = Object.entries(json).slice(0, bounds.listedJobs);
  const ids = new Map<string, string>();
  let oldestAt = Number.POSITIVE_INFINITY;
  for (const [id, entry] of entries) {
    const posted = extraDataOf(entry)?.[mark];
    if (typeof posted === 'string') ids.set(posted, id);
    const { startedAt = oldestAt } = isHistoryEntry(entry) ? startedIn(messagesOf(entry.status)) : {};
    oldestAt = Math.min(oldestAt, startedAt);
  }
  return { ids, isAll: entries.length < asked, oldestAt };
}

function extraDataOf(entry: unknown): Readonly<Record<string, unknown>> | undefined {
  const extraData = isHistoryEntry(entry) ? promptIn(entry)[3] : undefined;
  return isRecord(extraData) ? extraData : undefined;
}

/** `[number, prompt_id, prompt, extra_data, …]`, as it stood in the queue. */
const promptIn = ({ prompt }: HistoryEntry): readonly unknown[] => (Array.isArray(prompt) ? prompt : []);
