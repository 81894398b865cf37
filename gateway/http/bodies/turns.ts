import { bulkhead, BulkheadRejectedError, type BulkheadPolicy } from 'cockatiel';
import { bounds } from '../../../streams/bounds';
import type { Viewer } from '../../admission/auth/auth';
import { Problem } from '../../wire/problem';

/** Does work of a caller when it is its turn. Rejects with a `Problem` where too much waits. */
export type Turns = <T>(viewer: Viewer, work: () => Promise<T>) => Promise<T>;

/** What is done in turn, and how much of it may wait. */
export interface Waiting {
  readonly of: string;
  readonly most: number;
}

const BODIES: Waiting = { of: 'large bodies', most: bounds.bodiesWaiting };

/** Little of one caller's work is under way at a time, of large bodies say; the rest waits, unread. */
export function turns(atOnce: number, { of, most }: Waiting = BODIES): Turns {
  const callers = new Map<string, BulkheadPolicy>();
  return async ({ role, userId }, work) => {
    const key = `${role} ${userId}`;
    const waiting = role === 'service' ? Infinity : most;
    const turn = callers.get(key) ?? bulkhead(atOnce, waiting);
    callers.set(key, turn);
    try {
      return await turn.execute(work);
    } catch (error) {
      if (!(error instanceof BulkheadRejectedError)) throw error;
      const detail = `Of one caller, ${most} ${of} may wait.`;
      throw new Problem('too-many-requests', { detail }, { 'Retry-After': '5' });
    } finally {
      if (turn.executionSlots === atOnce && turn.queueSlots === waiting) callers.delete(key);
    }
  };
}
