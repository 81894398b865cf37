import type { Pipeline } from '../../../pipeline/api';
import type { JobState } from '../../../streams/job/job-state';
import { maySee, type Viewer } from '../../admission/auth';
import { unknownJob } from '../../wire/problem';

/** What a job's id can be at all. Ids are UUIDs where we make them, but older ComfyUI takes what others choose. */
export const PROMPT_ID = /^[\w-][\w.-]{0,127}$/;

export const isPromptId = (text: string): boolean => PROMPT_ID.test(text);

/** The job, if it exists and the viewer may know it; else rejects with `unknown-job`, the same in both cases (R14). */
export const visibleJob = async (pipeline: Pipeline, viewer: Viewer, promptId: string): Promise<JobState> => {
  const job = isPromptId(promptId) ? await pipeline.get(promptId) : undefined;
  if (!job || !maySee(viewer, job)) throw unknownJob();
  return job;
};
