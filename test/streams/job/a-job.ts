import { advance as advanceAt } from '../../../streams/job/advance/advance';
import { isAtServer, jobOf, queuedState, type Job, type RunFacts } from '../../../streams/job/job';
import type { FrameFact, JobEvent, LookFact, NodeSnapshot, OwnFact } from '../../../streams/job/job-event';
import type { Failure, FileOutput, JobOutput, JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import { graphOf, type Graph } from '../../../streams/job/workflow';

export const SERVER = 'http://comfyui';

export type Fact = FrameFact | LookFact | OwnFact;

/** A node of a test's workflow: what it is, what it declares, what it reads from. */
const node = (class_type: string, inputs: Record<string, unknown> = {}, title?: string) => ({
  class_type,
  inputs,
  ...(title !== undefined && { _meta: { title } }),
});

/** A loader, a sampler of ten steps, and the saving of what it made. */
export const sampling: Graph = graphOf({
  '1': node('EmptyImage'),
  '2': node('Sampler', { steps: 10, image: ['1', 0] }, 'The sampler'),
  '3': node('SaveImage', { images: ['2', 0] }),
});

export const graph = (nodes: Record<string, [type: string, inputs?: Record<string, unknown>]>): Graph =>
  graphOf(Object.fromEntries(Object.entries(nodes).map(([id, [type, inputs]]) => [id, node(type, inputs)])));

/** A state as it is when a job has just been posted. */
export const aState = (more: Partial<JobState> = {}): JobState => ({
  ...queuedState({
    promptId: 'p',
    type: 'image_generation',
    userId: 'u',
    serverUrl: SERVER,
    at: 0,
  }),
  clientId: 'c',
  ...more,
});

/** A job that ComfyUI took and whose socket is open. */
export const aJob = (more: Partial<Job> = {}): Job => ({
  ...jobOf(aState(), { graph: sampling, accepted: true, linked: true }),
  ...more,
});

/** A job that ComfyUI has not taken yet. */
export const aPosting = (more: Partial<Job> = {}): Job => ({ ...aJob(more), stage: jobOf(aState()).stage });

/** The job, with other facts about its run. */
export const knowing = (job: Job, facts: Partial<RunFacts>): Job =>
  isAtServer(job) ? { ...job, stage: { ...job.stage, ...facts } } : job;

/** The job after one more event, at the times that a job is looked up by default. */
export const advance = (job: Job, event: JobEvent): Job => advanceAt(job, event, defaultTiming);

/** One fact about the job `p`. */
export const told = (fact: Fact, at = 0): JobEvent => ({ promptId: 'p', at, ...fact });

/** The job after facts, a millisecond apart. */
export const after = (job: Job, ...facts: readonly Fact[]): Job =>
  facts.reduce((job, fact, index) => advance(job, told(fact, index)), job);

export const running = (id: string, value: number, max: number): NodeSnapshot => ({ id, value, max, finished: false });
export const finished = (id: string, value = 1, max = 1): NodeSnapshot => ({ id, value, max, finished: true });

export const aFile = (nodeId: string, filename = `${nodeId}.png`): FileOutput => ({
  nodeId,
  kind: 'images',
  filename,
  subfolder: '',
  type: 'output',
});

export const anOutput: (nodeId: string, filename?: string) => JobOutput = aFile;

export const aFailure = (kind: Failure['kind'], nodeId?: string): Failure => ({
  kind,
  message: 'It broke.',
  ...(nodeId !== undefined && { nodeId }),
  retryable: false,
});
