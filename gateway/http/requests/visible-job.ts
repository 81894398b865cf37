import type { Pipeline } from '../../../pipeline/api';
import { UnreadableState } from '../../../sinks/job-store';
import type { JobState } from '../../../streams/job/job-state';
import { maySee, type Viewer } from '../../admission/auth/auth';
import { unknownJob } from '../../wire/problem';

/** What a job's id can be at all. Ids are UUIDs where we make them, but older ComfyUI takes what others choose. */
export const PROMPT_ID = /^[\w-][\w.-]{0,127}$/;

export const isPromptId = (text: string): boolean => PROMPT_ID.test(text);

/** What is stored and cannot be read is nobody's, so that no user learns of it; services get the error (R14). */
export const unreadableTo =
  ({ role }: Viewer) =>
  (error: unknown): never => {
    throw role === 'service' || !(error instanceof UnreadableState) ? error : unknownJob();
  };

/**
 * The job, if it exists and the viewer may know it; else rejects with `unknown-job`, the same in both cases (R14).
 */
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
