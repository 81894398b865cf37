import { bulkhead, BulkheadRejectedError, type BulkheadPolicy } from 'cockatiel';
import { bounds } from '../../../streams/bounds';
import type { Viewer } from '../../admission/auth/auth';
import { Problem } from '../../wire/problem';

/** Does work of a caller when it is its turn. Rejects with a `Problem` where too much waits. */
export type Turns = <T>(viewer: Viewer, work: () => Promise<T>) => Promise<T>;

/** Few large bodies of one caller are under way at a time; the others wait unread. */
export function turns(atOnce: number): Turns {
  const callers = new Map<string, BulkheadPolicy>();
  return async ({ role, userId }, work) => {
    const key = `${role} ${userId}`;
    const waiting = role === 'service' ? Infinity : bounds.bodiesWaiting;
    const turn = callers.get(key) ?? bulkhead(atOnce, waiting);
    callers.set(key, turn);
    try {
      return await turn.execute(work);
    } catch (error) {
      if (!(error instanceof BulkheadRejectedError)) throw error;
      const detail = `Of one caller, ${bounds.bodiesWaiting} large bodies may wait.`;
      throw new Problem('too-many-requests', { detail }, { 'Retry-After': '5' });
    } finally {
      if (turn.executionSlots === atOnce && turn.queueSlots === waiting) callers.delete(key);
    }
  };
}
