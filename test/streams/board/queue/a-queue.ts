import { RunEnds } from '../../../../streams/board/queue/run-ends';
import { StartTimes } from '../../../../streams/board/queue/start-times';
import type { Job } from '../../../../streams/job/job';
import type { QueueEntry } from '../../../../streams/job/job-event';
import type { Durations } from '../../../../streams/job/progress/plan/expected';
import { planOf } from '../../../../streams/job/progress/plan/plan';
import { runClock, withCached } from '../../../../streams/job/progress/run-clock';
import type { Graph } from '../../../../streams/job/workflow';
import { SERVER, aJob, aState, graph } from '../../job/a-job';

/** Each node takes as many seconds as it says; `trust` of them is how sure that is. */
export const durations: Durations = ({ literals }) => {
  const fixedMs = 1000 * Number(literals.get('seconds') ?? 0);
  return { fixedMs, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust: Number(literals.get('trust') ?? 1) };
};

let seeds = 0;
export const anySeed = (): number => seeds++;

/** A workflow that loads for a minute what no other of the same model loads again, and then works for so many seconds. */
export const working = (seconds: number, { model = 'a', trust = 1, loaderTrust = 1 } = {}): Graph =>
  graph({
    '1': ['CheckpointLoaderSimple', { ckpt_name: model, seconds: 60, trust: loaderTrust }],
    '2': ['KSampler', { model: ['1', 0], seconds, trust, seed: anySeed() }],
    '3': ['SaveImage', { images: ['2', 0] }],
  });

export const waiting = (promptId: string, queuePosition: number, workflow: Graph): Job => ({
  ...aJob({ state: aState({ promptId, queuePosition }) }),
  graph: workflow,
  durations,
});
export const stranger = (runId: string, workflow: Graph): QueueEntry => ({
  runId,
  nodes: () => workflow.size,
  graph: () => workflow,
});
export const ours = ({ state: { promptId }, graph: workflow }: Job): QueueEntry => stranger(promptId, workflow);

/** Some jobs of ours, and when they start. */
export function aQueue(...some: readonly Job[]) {
  const jobs = new Map(some.map((job) => [job.state.promptId, job]));
  const starts = new StartTimes({
    jobs: { jobs, ofServer: () => [...jobs.values()], countOf: () => jobs.size, run: (id) => jobs.get(id) },
    durationsOn: () => durations,
    report: (_, error) => {
      throw error;
    },
  });
  const ends = new RunEnds();
  return {
    seconds: (job: Job, at = 0): number | undefined => {
      const { etaMs } = starts.started(job, job, at * 1000).state;
      return etaMs === undefined ? undefined : Math.round(etaMs / 1000);
    },
    seen: (at: number, ...entries: readonly QueueEntry[]) => {
      starts.told({ tag: 'queueSeen', serverUrl: SERVER, entries, at: at * 1000 });
    },
    /** The run at the front begins at second 0. */
    begins: () => {
      for (const remaining of [0, 1])
        starts.told({ tag: 'queueLength', clientId: 'c', serverUrl: SERVER, remaining, at: 0 });
    },
    length: (at: number, remaining: number) => {
      const event = { tag: 'queueLength', clientId: 'c', serverUrl: SERVER, remaining, at: at * 1000 } as const;
      starts.told(event, ends.told(remaining, event.clientId));
    },
    /** A job of ours has run from one second to another. */
    ran: (job: Job, from: number, to: number, cached: readonly string[] = []) => {
      const run = withCached(runClock(planOf(job.graph), { at: from * 1000, durations }), cached);
      starts.ended({ ...job, state: { ...job.state, status: 'processing' } }, run, to * 1000);
      jobs.delete(job.state.promptId);
    },
  };
}
