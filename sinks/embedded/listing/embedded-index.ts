import { createHash } from 'node:crypto';
import { isSettled, sessionOf, standingOf, type JobStanding, type JobState } from '../../../streams/job/job-state';
import type { Usage } from '../../job-store';
import { newestFirst, STANDINGS, UNSETTLED, type JobTotals, type Position } from '../../listing/job-page';
import { LAST, type Entry, type LmdbFile, type Txn } from '../file/lmdb-file';

/** Prefix of all keys of the index, and of no others. */
export const INDEX_PREFIX = 'index:';

/**
 * The owner of the entries of all jobs. Each job has another set of entries under its user, whose owner is a digest of
 * the id.
 */
const ALL = '@';

/** The digits of `Number.MAX_SAFE_INTEGER`: times are padded to them, so that keys sort by time. */
const DIGITS = 16;

/** What the index knows of a job. */
interface Filed {
  readonly userId: string;
  readonly startedAt: number;
  readonly status: JobStanding;
  readonly session?: string;
  /** Bytes of its workflow. */
  readonly bytes: number;
}

export interface EntriesQuery {
  readonly userId?: string | undefined;
  readonly standings: readonly JobStanding[];
  readonly most: number;
  readonly after?: Position | undefined;
  /** Submitted before this time, ms since 1970. */
  readonly until?: number | undefined;
}

/**
 * The jobs of each user and of all users, by standing, the newest first; and the unsettled jobs that each session
 * watches.
 */
export interface EmbeddedIndex {
  /**
   * Files a job by its state, in the transaction that writes the state. `bytes` is the size of its workflow, where one
   * is written too.
   */
  put(txn: Txn, state: JobState, bytes?: number): void;
  remove(txn: Txn, promptId: string): void;
  /** The newest positions after `after`, at most `most`. */
  entries(query: EntriesQuery): readonly Position[];
  totals(userId?: string): JobTotals;
  /** See `JobStore.usage`. */
  usage(userId: string, besides: readonly string[]): Usage;
  watched(clientId: string, most: number, after?: string): readonly string[];
}

export function embeddedIndex(file: LmdbFile): EmbeddedIndex {
  function change(txn: Txn, promptId: string, next: Filed | undefined): void {
    const before = filedIn(txn.read(filedKey(promptId)));
    const keysBefore = before === undefined ? [] : keysOf(promptId, before);
    const keysNext = next === undefined ? [] : keysOf(promptId, next);
    keysBefore.filter((key) => !keysNext.includes(key)).forEach((key) => txn.remove(key));
    keysNext.filter((key) => !keysBefore.includes(key)).forEach((key) => txn.write({ key, text: '', until: FOREVER }));
    for (const [key, by] of differences(before, next)) count(txn, key, by);
    if (next === undefined) txn.remove(filedKey(promptId));
    else txn.write({ key: filedKey(promptId), text: JSON.stringify(next), until: FOREVER });
  }

  function count(txn: Txn, key: string, by: number): void {
    if (by === 0) return;
    const sum = counted(txn, key) + by;
    if (sum === 0) txn.remove(key);
    else txn.write({ key, text: `${sum}`, until: FOREVER });
  }

  function ofStanding(owner: string, standing: JobStanding, { most, after, until }: EntriesQuery): readonly Position[] {
    const prefix = standingKey(owner, standing);
    const ends = [
      `${prefix}${LAST}`,
      ...(until === undefined ? [] : [`${prefix}${padded(until)}`]),
      ...(after === undefined ? [] : [`${prefix}${padded(after.startedAt)}:${after.promptId}`]),
    ];
    const [start = ''] = ends.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return file.range({ after: start, before: prefix, down: true, most }).map(({ key }) => ({
      startedAt: Number(key.slice(prefix.length, prefix.length + DIGITS)),
      promptId: key.slice(prefix.length + DIGITS + 1),
    }));
  }

  return {
    put: (txn, state, bytes) => {
      const before = filedIn(txn.read(filedKey(state.promptId)));
      const next = filing(state, bytes ?? before?.bytes ?? 0);
      if (before === undefined || differ(before, next)) change(txn, state.promptId, next);
    },
    remove: (txn, promptId) => change(txn, promptId, undefined),
    entries: (query) =>
      query.standings
        .flatMap((standing) => ofStanding(ownerOf(query.userId), standing, query))
        .sort(newestFirst)
        .slice(0, query.most),
    totals: (userId) => {
      const owner = ownerOf(userId);
      const each = STANDINGS.map((standing) => [standing, counted(file, countKey(owner, standing))]);
      return Object.fromEntries(each) as JobTotals;
    },
    usage: (userId, besides) => usageIn(file, userId, besides),
    watched: (clientId, most, after = '') => {
      const prefix = watchedKey(clientId);
      return file
        .range({ after: `${prefix}${after}`, before: `${prefix}${LAST}`, most })
        .map(({ key }) => key.slice(prefix.length));
    },
  };
}

function usageIn(file: LmdbFile, userId: string, besides: readonly string[]): Usage {
  const owner = ownerOf(userId);
  const counts = UNSETTLED.map((standing) => counted(file, countKey(owner, standing)));
  const left = besides
    .map((promptId) => filedIn(file.read(filedKey(promptId))))
    .filter((filed) => filed?.userId === userId && UNSETTLED.includes(filed.status));
  return {
    jobs: counts.reduce((sum, count) => sum + count, -left.length),
    bytes: left.reduce((sum, filed) => sum - (filed?.bytes ?? 0), counted(file, bytesKey(owner))),
  };
}

const counted = (from: Pick<Txn, 'read'>, key: string): number => Number(from.read(key)?.text ?? 0);

/** Index entries do not expire: they are removed with their job. */
const FOREVER = Number.MAX_SAFE_INTEGER;

/** A short name in keys for a text of any length and any characters. */
export const digest = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 22);

const ownerOf = (userId: string | undefined): string => (userId === undefined ? ALL : digest(userId));

const padded = (ms: number): string =>
  `${Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.floor(ms)))}`.padStart(DIGITS, '0');

const filedKey = (promptId: string): string => `${INDEX_PREFIX}of:${promptId}`;
const standingKey = (owner: string, standing: JobStanding): string =>
  `${INDEX_PREFIX}${STANDINGS.indexOf(standing)}:${owner}:`;
const countKey = (owner: string, standing: JobStanding): string => `${INDEX_PREFIX}count:${owner}:${standing}`;
const bytesKey = (owner: string): string => `${INDEX_PREFIX}bytes:${owner}`;
const watchedKey = (clientId: string): string => `${INDEX_PREFIX}watched:${digest(clientId)}:`;

const filedIn = (entry: Entry | undefined): Filed | undefined =>
  entry === undefined ? undefined : (JSON.parse(entry.text) as Filed);

const filing = (state: JobState, bytes: number): Filed => ({
  userId: state.userId,
  startedAt: state.startedAt,
  status: standingOf(state),
  ...(!isSettled(state) && { session: sessionOf(state) ?? '' }),
  bytes: isSettled(state) ? 0 : bytes,
});

const differ = (a: Filed, b: Filed): boolean => JSON.stringify(a) !== JSON.stringify(b);

const keysOf = (promptId: string, { userId, startedAt, status, session }: Filed): readonly string[] => [
  ...[ALL, ownerOf(userId)].map((owner) => `${standingKey(owner, status)}${padded(startedAt)}:${promptId}`),
  ...(session === undefined ? [] : [`${watchedKey(session)}${promptId}`]),
];

/** By how much each count changes. */
const differences = (before: Filed | undefined, next: Filed | undefined): readonly (readonly [string, number])[] => {
  const sums = new Map<string, number>();
  const add = (filed: Filed | undefined, sign: number): void => {
    if (filed === undefined) return;
    const owner = ownerOf(filed.userId);
    const counts = [
      [countKey(ALL, filed.status), 1],
      [countKey(owner, filed.status), 1],
      [bytesKey(owner), filed.bytes],
    ] as const;
    for (const [key, by] of counts) sums.set(key, (sums.get(key) ?? 0) + sign * by);
  };
  add(before, -1);
  add(next, 1);
  return [...sums];
};
