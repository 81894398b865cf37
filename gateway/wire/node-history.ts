import { isSettled } from '../../streams/job/job-state';
import type { PublicJob } from './public-job';

/** The fields that a history is made from, which stored and public states share. */
type Seen = Omit<PublicJob, 'server' | 'serverUrl'>;

/** One node's turn. Times are the gateway's, in ms since 1970. */
export interface Turn {
  readonly id: string;
  readonly type: string;
  readonly title?: string;
  readonly from: number;
  /** Absent while it runs. */
  readonly to?: number;
  readonly value: number;
  readonly max: number;
  readonly failed?: boolean;
}

/** A job's nodes over time, as one observer saw them: a state names only the node at work, not those before it. */
export interface NodeHistory {
  readonly attempt: number;
  readonly turns: readonly Turn[];
  /** `updatedAt` of the newest state in it, ms. */
  readonly at: number;
  /** When the job was first seen to run, ms; absent if it was not seen to wait before. */
  readonly began?: number;
  /** When, and at which progress, it was first seen to run. */
  readonly pace?: { readonly at: number; readonly progress: number };
  /** How many turns were dropped from the front, because only the last 200 are kept. */
  readonly dropped: number;
  /** Whether nodes may have run before the first one that was seen, and between two. */
  readonly missed: { readonly before: boolean; readonly between: boolean };
}

/** The dashboard shows 200 turns; a loop may take thousands, of which the first are dropped. */
const MOST_TURNS = 200;

/** The history with one more state of its job. */
export function recorded(before: NodeHistory | undefined, job: Seen): NodeHistory {
  const history = before?.attempt === job.attempt ? before : newHistory(job);
  // The states come from two sources, a socket and a list: one that is older than the newest is skipped.
  if (job.status === 'queued' || job.updatedAt < history.at) return history;
  const turns = turnsAfter(history.turns, job);
  const began = history.began ?? (history.missed.before ? undefined : job.updatedAt);
  return {
    ...history,
    at: job.updatedAt,
    // While a job is only polled, the node at work is seen every 3 s: nodes in between are missed.
    missed: { ...history.missed, between: history.missed.between || (job.via === 'polling' && !isSettled(job)) },
    pace: history.pace ?? { at: job.updatedAt, progress: job.progress },
    ...(began !== undefined && { began }),
    turns: turns.slice(-MOST_TURNS),
    dropped: history.dropped + Math.max(0, turns.length - MOST_TURNS),
  };
}

/** The history after a break in the connection, in which nodes may have run unseen. */
export const interrupted = (history: NodeHistory): NodeHistory =>
  history.turns.length === 0 && history.began === undefined
    ? history
    : { ...history, missed: { ...history.missed, between: true } };

/** The pace is used once it was measured over 3 s and 4 % of progress. */
const ENOUGH = { ms: 3000, percent: 4 };

/**
 * How many ms a running job will take from its last state on, at its pace so far; `undefined` while that is too little.
 */
export function guessedLeftMs({ pace }: NodeHistory, { progress, updatedAt }: Seen): number | undefined {
  if (pace === undefined) return undefined;
  const done = progress - pace.progress;
  const took = updatedAt - pace.at;
  return done < ENOUGH.percent || took < ENOUGH.ms ? undefined : ((100 - progress) / done) * took;
}

/** The history that knows more: of the later attempt, then with fewer gaps, then with more turns. */
export function fuller(own: NodeHistory | undefined, other: NodeHistory): NodeHistory {
  if (own === undefined) return other;
  const gaps = ({ missed }: NodeHistory): number => Number(missed.before) + Number(missed.between);
  const length = ({ dropped, turns }: NodeHistory): number => dropped + turns.length;
  const gain = other.attempt - own.attempt || gaps(own) - gaps(other) || length(other) - length(own);
  return gain > 0 ? { ...(own.attempt === other.attempt && own.pace && { pace: own.pace }), ...other } : own;
}

/** The empty history of a job that is first seen in this state. */
export const newHistory = (job: Pick<PublicJob, 'attempt' | 'status'>): NodeHistory => ({
  attempt: job.attempt,
  turns: [],
  dropped: 0,
  at: 0,
  missed: { before: job.status !== 'queued', between: false },
});

function turnsAfter(turns: readonly Turn[], job: Seen): readonly Turn[] {
  const last = turns.at(-1);
  const earlier = turns.slice(0, -1);
  const running = last !== undefined && last.to === undefined ? last : undefined;
  const node = isSettled(job) ? undefined : job.node;
  if (node && running?.id === node.id) return [...earlier, { ...running, value: node.value, max: node.max }];
  const past = running ? [...earlier, ended(running, job)] : turns;
  if (!node) return withFailure(past, job);
  const { id, type, title, value, max } = node;
  return [...past, { id, type, ...(title !== undefined && { title }), from: job.updatedAt, value, max }];
}

const ended = (turn: Turn, job: Seen): Turn => ({
  ...turn,
  to: Math.max(turn.from, job.finishedAt ?? job.updatedAt),
  // ComfyUI does not report a node's last step; once the next node runs, this one has done all of them.
  ...(job.status !== 'failed' && { value: turn.max }),
});

/** Marks the node that failed, or adds it if it was not seen to run. */
function withFailure(turns: readonly Turn[], { failure, finishedAt, updatedAt }: Seen): readonly Turn[] {
  if (failure?.nodeId === undefined || failure.kind === 'rejected') return turns;
  const { nodeId: id, nodeType: type = 'node' } = failure;
  const last = turns.at(-1);
  if (last?.id === id) return [...turns.slice(0, -1), { ...last, failed: true }];
  const at = finishedAt ?? updatedAt;
  return [...turns, { id, type, from: at, to: at, value: 0, max: 1, failed: true }];
}
