import type { Pipeline } from '../../../pipeline/api';
import { UnreadableState } from '../../../sinks/job-store';
import { isPromptId } from '../../../streams/job/ids';
import type { JobState } from '../../../streams/job/job-state';
import { maySee, type Viewer } from '../../admission/auth/auth';
import { unknownJob } from '../../wire/problem';

/**
 * Throws `unknown-job` to a user if the stored state is unreadable, so its owner is not known; else the error (R14).
 */
export const unreadableTo =
  ({ role }: Viewer) =>
  (error: unknown): never => {
    throw role === 'service' || !(error instanceof UnreadableState) ? error : unknownJob();
  };

/** The job. Rejects with `unknown-job` if it does not exist, and likewise if the viewer may not see it (R14). */
export const visibleJob = async (
  pipeline: Pick<Pipeline, 'get'>,
  viewer: Viewer,
  promptId: string,
): Promise<JobState> => {
  const job = isPromptId(promptId)
    ? await pipeline.get(promptId, (state) => maySee(viewer, state)).catch(unreadableTo(viewer))
    : undefined;
  if (!job) throw unknownJob();
  return job;
};
