import { takeUntil, type Observable } from 'rxjs';
import type { JobState } from '../../../streams/job/job-state';
import { recorded, type NodeHistory } from '../../wire/node-history';

/** The nodes over time of jobs that this instance watches or watched: not stored, so a restart forgets them. */
export interface NodeHistories {
  of(promptId: string): NodeHistory | undefined;
}

/** A history has some kilobytes; the job that was silent for longest is forgotten first. */
const MOST_JOBS = 2000;

/** Records every state until `closing$` emits. */
export function nodeHistories(state$: Observable<JobState>, closing$: Observable<unknown>): NodeHistories {
  const histories = new Map<string, NodeHistory>();
  state$.pipe(takeUntil(closing$)).subscribe((state) => {
    const history = recorded(histories.get(state.promptId), state);
    histories.delete(state.promptId);
    histories.set(state.promptId, history);
    const [oldest] = histories.keys();
    if (histories.size > MOST_JOBS && oldest !== undefined) histories.delete(oldest);
  });
  return { of: (promptId) => histories.get(promptId) };
}
