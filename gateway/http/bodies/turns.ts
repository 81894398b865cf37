import { bulkhead, BulkheadRejectedError, type BulkheadPolicy } from 'cockatiel';
import { bounds } from '../../../streams/bounds';
import type { Viewer } from '../../admission/auth/auth';
import { Problem } from '../../wire/problem';

/**
 * Runs a caller's work when it is its turn. Rejects with `too-many-requests` if too much of the caller's work waits.
 */
export type Turns = <T>(viewer: Viewer, work: () => Promise<T>) => Promise<T>;

/** What the work is, for the refusal's text, and how many pieces of it one user may have waiting. */
export interface Waiting {
  readonly of: string;
  readonly most: number;
}

const BODIES: Waiting = { of: 'large bodies', most: bounds.bodiesWaiting };

/** Runs `atOnce` pieces of each caller's work at a time. Of a user `most` others wait, of a service any number. */
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
