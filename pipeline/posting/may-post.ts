import { EMPTY, defer, merge, of, switchMap, tap, type Observable } from 'rxjs';
import type { Env } from '../env';
import type { Sessions } from '../sessions/sessions';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { Submission } from '../../sources/rest/submission';
import type { BoardView } from '../../streams/board/board';
import { skippingErrors } from '../../streams/operators/reporting';

/** For how long a job that may have been stored unheard is posted without a lease, ms. */
const UNFOUND_MS = 5_000;

export interface MayPostParts {
  readonly sessions: Pick<Sessions, 'lease' | 'term' | 'leaseChanged'>;
  readonly board: Pick<BoardView, 'job' | 'changed'>;
  readonly writer: Pick<WriteBehind, 'write' | 'waiting' | 'renew' | 'maybeStoredMs'>;
}

interface Posted {
  readonly promptId: string;
  readonly clientId: string;
  /** Whether the store has the job. */
  readonly stored: boolean;
}

/**
 * Whether a run may be posted: while no other instance can have posted it, or can do so now. A lease that was doubtful
 * and is certain again does not prove that: another instance may have taken the job over, ended it, and given the
 * session back. Then the job's state is written once more first; where that is refused, the job is let go (R11).
 */
export function mayPost(
  { promptId, clientId, stored }: Posted,
  { sessions, board, writer }: MayPostParts,
  { report }: Pick<Env, 'report'>,
): Pick<Submission, 'mayPost' | 'changed$'> {
  let confirmedIn = sessions.term(clientId);
  const isCertain = (): boolean => sessions.lease(clientId) === 'certain';

  /** Emits once the store took the job's state in the present term of the lease. */
  const confirmed$ = defer((): Observable<unknown> => {
    const term = sessions.term(clientId);
    const state = writer.waiting(promptId) ?? board.job(promptId)?.state;
    if (!isCertain() || term === confirmedIn || state === undefined) return EMPTY;
    return writer.write(state).pipe(
      tap((outcome) => {
        if (outcome === 'stored') confirmedIn = term;
        // Refused once more, and then let go, by the queue of writes.
        else writer.renew(state);
      }),
      skippingErrors('store', report),
    );
  });
  return {
    mayPost: () =>
      (!stored && isUnfound(writer.maybeStoredMs(promptId))) ||
      (isCertain() && confirmedIn === sessions.term(clientId)),
    changed$: merge(
      board.changed(promptId),
      sessions.leaseChanged(clientId),
      merge(of(undefined), sessions.leaseChanged(clientId)).pipe(switchMap(() => confirmed$)),
    ),
  };
}

/**
 * Whether no other instance can post a job yet, so that posting it needs no lease: it is not in the store, or may be
 * there for 5 s at most. A successor looks for it for ten before it posts it, and finds what was posted until then.
 */
const isUnfound = (maybeStoredMs: number): boolean => maybeStoredMs >= 0 && maybeStoredMs < UNFOUND_MS;
