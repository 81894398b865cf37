import { defer, lastValueFrom } from 'rxjs';
import { TooManyJobs } from '../api';
import type { JobStore, Usage } from '../../sinks/job-store';
import type { BoardView } from '../../streams/board/board';
import type { Attempted } from '../../streams/operators/reporting';
import { getOrInsert } from '../../streams/maps/remember';

/** What one user's unsettled jobs may come to. */
export interface UserLimits {
  /** How many there may be. */
  readonly jobs: number;
  /** Bytes of the workflows stored for them, with extra data, as text, before they are packed. */
  readonly bytes: number;
  /** Nodes of those that one instance watches. */
  readonly nodes: number;
}

export interface LimitParts {
  readonly board: Pick<BoardView, 'countOfUser' | 'nodesOfUser'>;
  readonly store: Pick<JobStore, 'usage'>;
  readonly limits: UserLimits;
  readonly attempted: Attempted;
}

/** A job that is being submitted: it counts here until the board has it, and the store is asked for all others. */
export interface Beginning {
  readonly promptId: string;
  readonly userId: string;
  /** Bytes of the workflow and its extra data. */
  readonly bytes: number;
  /** How many nodes the workflow has. */
  readonly nodes: () => number;
}

/** What the store counts of a user's jobs besides these; `undefined` if it did not answer. */
interface Answer {
  readonly usage: Usage | undefined;
  readonly besides: readonly Beginning[];
}

/** A user's jobs that are being submitted, in the order in which they came. */
interface Submitting {
  readonly jobs: Set<Beginning>;
  /** The question that the store was asked last. */
  asked: Promise<unknown>;
  /** The next question, which all those share that come while the last is under way. */
  next?: Promise<Answer> | undefined;
}

/**
 * Resolves once a job may begin within its user's limits, with what to call when the board has it, or it has failed to
 * begin. Rejects with `TooManyJobs`. Each job counts once: those that are being submitted count here, all others in the
 * store.
 */
export function withinLimits(parts: LimitParts): (job: Beginning) => Promise<() => void> {
  const users = new Map<string, Submitting>();
  const refused = new WeakSet<Beginning>();

  /** The store is asked one question at a time for a user: of a thousand jobs at once not each asks for a thousand. */
  function asked(userId: string, user: Submitting): Promise<Answer> {
    user.next ??= user.asked.then(async () => {
      // It begins: whoever comes from here on shares the one after it.
      user.asked = user.next ?? user.asked;
      user.next = undefined;
      const besides = [...user.jobs];
      const usage$ = defer(() =>
        parts.store.usage(
          userId,
          besides.map(({ promptId }) => promptId),
        ),
      );
      return { usage: await lastValueFrom(parts.attempted(usage$), { defaultValue: undefined }), besides };
    });
    return user.next;
  }

  return async (job) => {
    const { userId } = job;
    const user = getOrInsert(users, userId, () => ({ jobs: new Set<Beginning>(), asked: Promise.resolve() }));
    user.jobs.add(job);
    const over = (): void => {
      user.jobs.delete(job);
      if (user.jobs.size === 0 && users.get(userId) === user) users.delete(userId);
    };
    try {
      const { usage, besides } = await asked(userId, user);
      const stillHere = before(job, [...user.jobs]);
      assertWithin(parts, job, {
        // Those that were refused since count no more; those that have begun since are in no other count.
        others: usage === undefined ? stillHere : before(job, besides).filter((other) => !refused.has(other)),
        usage: usage ?? { jobs: parts.board.countOfUser(userId), bytes: 0 },
        nodes: parts.board.nodesOfUser(userId) + sum(stillHere, (other) => other.nodes()),
      });
      return over;
    } catch (error) {
      refused.add(job);
      over();
      throw error;
    }
  };
}

interface UnderWay {
  /** Jobs that are being submitted and came before. */
  readonly others: readonly Beginning[];
  /** All but those. */
  readonly usage: Usage;
  /** Nodes of the jobs here, those that are being submitted included. */
  readonly nodes: number;
}

function assertWithin(
  { limits }: Pick<LimitParts, 'limits'>,
  job: Beginning,
  { others, usage, nodes }: UnderWay,
): void {
  if (usage.jobs + others.length >= limits.jobs) throw new TooManyJobs('unsettled jobs', limits.jobs);
  if (nodes >= limits.nodes) throw new TooManyJobs('nodes in the workflows of unsettled jobs', limits.nodes);
  const bytes = usage.bytes + sum(others, (other) => other.bytes);
  // A user's only workflow may exceed the limit: it is as large as a request's body may be.
  if (bytes > 0 && bytes + job.bytes > limits.bytes) throw new TooManyJobs('bytes of stored workflows', limits.bytes);
}

const before = (job: Beginning, jobs: readonly Beginning[]): readonly Beginning[] => jobs.slice(0, jobs.indexOf(job));

const sum = (jobs: readonly Beginning[], of: (job: Beginning) => number): number =>
  jobs.reduce((total, job) => total + of(job), 0);
