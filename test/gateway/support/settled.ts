import { filter, take } from 'rxjs';
import type { Pipeline } from '../../../pipeline/api';
import { isSettled, type JobState } from '../../../streams/job/job-state';

type Watched = Pick<Pipeline, 'watch'>;

/** The job's first state from now on that fits. */
export const stateWhere = (
  pipeline: Watched,
  promptId: string,
  fits: (state: JobState) => boolean,
): Promise<JobState> =>
  new Promise((resolve, reject) => {
    pipeline.watch(promptId).pipe(filter(fits), take(1)).subscribe({ next: resolve, error: reject });
  });

/** The job's last state, once it has one. */
export const settled = (pipeline: Watched, promptId: string): Promise<JobState> =>
  stateWhere(pipeline, promptId, isSettled);
