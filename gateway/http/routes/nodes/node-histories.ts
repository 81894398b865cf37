import { takeUntil, type Observable } from 'rxjs';
import type { JobState } from '../../../../streams/job/job-state';
import { remember } from '../../../../streams/maps/remember';
import { recorded, type NodeHistory } from '../../../wire/node-history';

/**
 * The nodes over time of jobs that this instance watches or watched. They are not stored, so a restart forgets them.
 */
export interface NodeHistories {
  /** A job's history, if it was recorded for the same user: another user's job may have had the same id before. */
  of(job: Pick<JobState, 'promptId' | 'userId'>): NodeHistory | undefined;
}

/** A history has some kilobytes; the job that was silent for longest is forgotten first. */
const MOST_JOBS = 2000;

interface Owned {
  readonly userId: string;
  readonly history: NodeHistory;
}

/** Records every state until `closing$` emits. */
export function nodeHistories(state$: Observable<JobState>, closing$: Observable<unknown>): NodeHistories {
  const histories = new Map<string, Owned>();
  const ownOf = ({ promptId, userId }: Pick<JobState, 'promptId' | 'userId'>): NodeHistory | undefined => {
    const kept = histories.get(promptId);
    return kept?.userId === userId ? kept.history : undefined;
  };
  state$.pipe(takeUntil(closing$)).subscribe((state) => {
    const { promptId, userId } = state;
    const history = recorded(ownOf(state), state);
    remember(histories, promptId, { userId, history }, MOST_JOBS);
  });
  return { of: ownOf };
}
