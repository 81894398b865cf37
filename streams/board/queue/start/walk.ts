import { isAtServer, type Job } from '../../../job/job';
import type { Durations } from '../../../job/progress/plan/expected';
import type { Graph } from '../../../job/workflow';
import type { AtWork, Slot } from '../line/line';
import { leftOfJob, leftSince, type Front } from './at-work';
import type { Ahead, Estimate, Estimates, Live } from './estimates';
import type { Work } from './planned';

/** One place of the queue: a job of ours, another client's slot, or neither if nothing is known of it. */
export interface Place {
  readonly job?: Job;
  readonly slot?: Slot;
}

export interface Known {
  readonly estimates: Estimates;
  /** How long other clients' nodes take. */
  readonly durations: Durations;
  readonly atWork: AtWork | undefined;
  /** The workflow that ran last. */
  readonly before: Graph | undefined;
}

/**
 * How long the runs before each of our jobs take, by `promptId`; only up to the first place of which nothing is known.
 * Walks the queue in its order, as the nodes that one run leaves cached are not run by the next.
 */
export function walked(places: readonly Place[], known: Known, at: number): ReadonlyMap<string, Ahead> {
  const runs = runsOf(places, known, at);
  const ahead = new Map<string, Ahead>();
  let [ms, sureMs, square, biasMs, areKnown] = [0, 0, 0, 0, true];
  places.forEach(({ job }, place) => {
    if (job !== undefined && areKnown)
      ahead.set(job.state.promptId, { ms, sureMs, spreadMs: Math.sqrt(square), biasMs });
    const run = runs[place];
    areKnown &&= run !== undefined;
    ms += run?.ms ?? 0;
    sureMs += run?.sureMs ?? 0;
    square += (run?.spreadMs ?? 0) ** 2;
    biasMs += run?.biasMs ?? 0;
  });
  return ahead;
}

/** How long each place will still take; `undefined` for one of which nothing is known. */
function runsOf(places: readonly Place[], known: Known, at: number): readonly (Ahead | undefined)[] {
  let { before } = known;
  let live: Live | undefined;
  return places.map((place, index) => {
    const work = workOf(place, known.durations);
    const expected = known.estimates.of(work, before, at, live);
    before = work?.graph;
    if (index > 0) return expected;
    const front = frontOf(place, expected, known.atWork, at);
    live = front?.live;
    return front?.left;
  });
}

function frontOf(
  { job, slot }: Place,
  expected: Estimate | undefined,
  atWork: AtWork | undefined,
  at: number,
): Front | undefined {
  if (job !== undefined) return leftOfJob(job, expected, at);
  if (expected === undefined) return undefined;
  const seen = slot !== undefined && atWork?.slot === slot ? atWork : { since: at, isExact: false };
  return leftSince(seen.isExact ? expected : halfOf(expected), seen.since, at);
}

/** What is left, in the mean, of a run whose start was not seen; as much is doubtful. */
const halfOf = (run: Estimate): Estimate => ({
  ...run,
  ms: run.ms / 2,
  sureMs: run.sureMs / 4,
  spreadMs: Math.max(run.spreadMs, run.ms) / 2,
  biasMs: run.biasMs / 2,
});

function workOf({ job, slot }: Place, durations: Durations): Work | undefined {
  if (job !== undefined)
    return { graph: job.graph, targets: isAtServer(job) ? job.stage.targets : undefined, durations: job.durations };
  return slot?.graph && { graph: slot.graph, targets: slot.targets, durations, client: slot.client };
}
