import { Gauge, type Registry } from 'prom-client';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import type { Handlers } from '../handlers';
import type { Labels } from '../labels/labels';
import { jobCounters, type JobCounters } from './job-counters';
import type { Retries } from './retry-metrics';

/** A job that ran for less than 2 s may end before any progress can be sent, so `progress` does not count it. */
const VISIBLE_AFTER_MS = 2_000;

interface Live {
  state: JobState;
  /** Whether a state with progress between 0 and 100 was seen. */
  shown: boolean;
}

type Tags = 'state' | 'released' | 'runAgain' | 'closed';

/** Metrics of the jobs that this instance watches: how many there are, how they end, how long they take. */
export function jobMetrics(registry: Registry, labels: Labels, retries: Retries): Handlers<Tags> {
  const live = new Map<string, Live>();
  const counters = jobCounters(registry, labels);
  liveGauges(registry, labels, live);

  const first = (state: JobState): Live => {
    const known = { state, shown: false };
    live.set(state.promptId, known);
    (isTakenUp(state) ? counters.recovered : counters.submitted).inc({ type: labels.type(state.type) });
    return known;
  };

  return {
    state: ({ state }) => {
      const known = live.get(state.promptId) ?? first(state);
      known.state = state;
      if (!known.shown && state.progress > 0 && state.status === 'processing') known.shown = true;
      if (!isSettled(state)) return;
      live.delete(state.promptId);
      countEnd(counters, state, labels.type(state.type), known.shown);
      const failure = state.failure?.kind ?? 'none';
      if (state.attempt > 1 && failure !== 'cancelled')
        retries.ended('run', REPEATED.has(failure) ? 'exhausted' : 'recovered');
    },
    released: ({ promptId }) => void live.delete(promptId),
    runAgain: () => retries.tried('run'),
    closed: () => live.clear(),
  };
}

function countEnd(counters: JobCounters, state: JobState, type: string, shown: boolean): void {
  const { status, via, executionStartedAt, startedAt, finishedAt = state.updatedAt } = state;
  const failure = state.failure?.kind ?? 'none';
  counters.settled.inc({ type, status, failure, transport: via });
  if (isTakenUp(state)) counters.recoveredSettled.inc({ outcome: LOST.has(failure) ? 'lost' : 'followed' });
  if (executionStartedAt === undefined) return;
  const ranMs = Math.max(0, finishedAt - executionStartedAt);
  counters.waiting.observe({ type }, Math.max(0, executionStartedAt - startedAt) / 1000);
  counters.running.observe({ type }, ranMs / 1000);
  if (ranMs >= VISIBLE_AFTER_MS) counters.progress.inc({ visible: shown ? 'true' : 'false' });
}

/** Gauges that count the live jobs at each scrape. */
function liveGauges(registry: Registry, labels: Labels, live: ReadonlyMap<string, Live>): void {
  const registers = [registry];
  new Gauge({
    name: 'jobstream_jobs',
    help: 'Live jobs that this instance watches, by the transport that brings their news.',
    labelNames: ['type', 'status', 'transport'],
    registers,
    collect() {
      this.reset();
      // 0 where there are no jobs: else an average over time would leave out the times without jobs.
      for (const type of labels.types)
        for (const status of ['queued', 'processing'])
          for (const transport of ['websocket', 'polling', 'report']) this.set({ type, status, transport }, 0);
      for (const { state } of live.values())
        this.inc({ type: labels.type(state.type), status: state.status, transport: state.via });
    },
  });
  new Gauge({
    name: 'jobstream_jobs_silent',
    help: 'Live jobs of which no news can come now: their server neither keeps a socket open nor answers.',
    registers,
    collect() {
      let count = 0;
      for (const { state } of live.values()) if (state.silentSince !== undefined) count += 1;
      this.set(count);
    },
  });
}

/** The first owner's epoch equals `startedAt`; each further owner's is higher. */
const isTakenUp = ({ epoch, startedAt }: JobState): boolean => epoch !== startedAt;

const LOST: ReadonlySet<string> = new Set(['lost', 'missing_output', 'internal_error']);
/** The failures of a job whose runs are used up. `unreachable` is among them: its server is away, and no run follows. */
const REPEATED: ReadonlySet<string> = new Set(['lost', 'out_of_memory', 'unreachable']);
