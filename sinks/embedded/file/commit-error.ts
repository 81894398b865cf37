import { firstValueFrom, timer } from 'rxjs';

/** How long a failed commit waits for its reason, ms: it comes in the same turn of the event loop, or never. */
const REASON_MS = 100;

/**
 * Rejects as a commit of lmdb did, but with the reason, where that is told. lmdb only says "Commit failed": the reason
 * is in its promise `commitError`. That ends the process if nobody handles it, even where nobody waits for the commit
 * any more; and of a commit that fails just after another it may never settle (lmdb 3.5.6).
 */
export const withReason = (committed: Promise<boolean>): Promise<boolean> =>
  committed.catch(async (error: unknown) => {
    const { commitError } = error as { readonly commitError?: Promise<never> };
    if (commitError !== undefined) await Promise.race([commitError, firstValueFrom(timer(REASON_MS))]);
    throw error;
  });
