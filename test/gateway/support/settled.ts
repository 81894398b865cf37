import { lastValueFrom } from 'rxjs';
import type { Pipeline } from '../../../pipeline';
import type { JobState } from '../../../streams/job-state';

/** The job's last state, once it has one. */
export const settled = (pipeline: Pick<Pipeline, 'watch'>, promptId: string): Promise<JobState> =>
  lastValueFrom(pipeline.watch(promptId));
