import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { buckets } from './buckets';
import type { Handlers } from '../handlers';
import type { Labels } from '../labels/labels';
import type { Retries } from './retry-metrics';

/** A job that ran for less may well be over before anybody could be told how far it is. */
const VISIBLE_AFTER_MS = 2_000;

interface Live {
  state: JobState;
  /** Whether some progress between 0 and 100 was told. */
  shown: boolean;
}

type Tags = 'state' | 'released' | 'runAgain' | 'closed';

/** The jobs of this instance: how many, how they end, how long they take. */
export function jobMetrics(registry: Registry, labels: Labels, retries: Retries): Handlers<Tags> {
  const live = new Map<string, Live>();
  const registers = [registry];
  const submitted = new Counter({
    name: 'jobstream_jobs_submitted_total',
    help: 'Jobs submitted to, or first tracked by, this instance.',
    labelNames: ['type'],
    registers,
  });
  const settled = new Counter({
    name: 'jobstream_jobs_settled_total',
    help: 'Jobs that ended, by type, status, kind of failure (none where completed) and the transport that watched them at the end.',
    labelNames: ['type', 'status', 'failure', 'transport'],
    registers,
  });
  const waiting = new Histogram({
    name: 'jobstream_job_waiting_seconds',
    help: 'From the submit of a job to the start of its last run, of jobs that ran.',
    labelNames: ['type'],
    buckets: buckets.jobs,
    registers,
  });
  const running = new Histogram({
    name: 'jobstream_job_running_seconds',
    help: 'From the start of a job’s last run to its end.',
    labelNames: ['type'],
    buckets: buckets.jobs,
    registers,
  });
  const visible = new Counter({
    name: 'jobstream_jobs_progress_total',
    help: 'Jobs that ran for 2 s or longer, by whether progress between 0 and 100 was told before their end.',
    labelNames: ['visible'],
    registers,
  });
  const recovered = new Counter({
    name: 'jobstream_jobs_recovered_total',
    help: 'Jobs taken up that another instance, or an earlier run, had watched.',
    labelNames: ['type'],
    registers,
  });
  const recoveredEnds = new Counter({
    name: 'jobstream_recovered_jobs_settled_total',
    help: 'Recovered jobs that ended: followed to their end, or lost.',
    labelNames: ['outcome'],
    registers,
  });
  const gauges = liveGauges(registry, labels, live);

  const first = (state: JobState): void => {
    live.set(state.promptId, { state, shown: false });
    if (isTakenUp(state)) recovered.inc({ type: labels.type(state.type) });
    else submitted.inc({ type: labels.type(state.type) });
  };

  const end = (state: JobState, shown: boolean): void => {
    const { status, via, executionStartedAt, startedAt, finishedAt = state.updatedAt, attempt } = state;
    const type = labels.type(state.type);
    const failure = state.failure?.kind ?? 'none';
    settled.inc({ type, status, failure, transport: via });
    if (isTakenUp(state)) recoveredEnds.inc({ outcome: LOST.has(failure) ? 'lost' : 'followed' });
    if (attempt > 1 && failure !== 'cancelled') retries.ended('run', REPEATED.has(failure) ? 'exhausted' : 'recovered');
    if (executionStartedAt === undefined) return;
    const ranMs = Math.max(0, finishedAt - executionStartedAt);
    waiting.observe({ type }, Math.max(0, executionStartedAt - startedAt) / 1000);
    running.observe({ type }, ranMs / 1000);
    if (ranMs >= VISIBLE_AFTER_MS) visible.inc({ visible: shown ? 'true' : 'false' });
  };

  return {
    state: ({ state }) => {
      let known = live.get(state.promptId);
      if (known === undefined) {
        first(state);
        known = live.get(state.promptId);
      }
      if (known === undefined) return;
      known.state = state;
      if (!known.shown && state.progress > 0 && state.status === 'processing') known.shown = true;
      if (!isSettled(state)) return;
      live.delete(state.promptId);
      end(state, known.shown);
    },
    released: ({ promptId }) => void live.delete(promptId),
    runAgain: () => retries.tried('run'),
    closed: () => {
      live.clear();
      gauges.forEach((gauge) => gauge.reset());
    },
  };
}

/** What is there now, counted when it is asked for. */
function liveGauges(registry: Registry, labels: Labels, live: ReadonlyMap<string, Live>): readonly Gauge[] {
  const registers = [registry];
  const jobs = new Gauge({
    name: 'jobstream_jobs',
    help: 'Live jobs that this instance watches, by the transport that brings their news.',
    labelNames: ['type', 'status', 'transport'],
    registers,
    collect() {
      this.reset();
      for (const { state } of live.values())
        this.inc({ type: labels.type(state.type), status: state.status, transport: state.via });
    },
  });
  const silent = new Gauge({
    name: 'jobstream_jobs_silent',
    help: 'Live jobs of which no news can come now: their server neither keeps a socket open nor answers.',
    registers,
    collect() {
      let count = 0;
      for (const { state } of live.values()) if (state.silentSince !== undefined) count += 1;
      this.set(count);
    },
  });
  return [jobs, silent];
}

/** The first owner's epoch is the time of the submit. */
const isTakenUp = ({ epoch, startedAt }: JobState): boolean => epoch !== startedAt;

const LOST: ReadonlySet<string> = new Set(['lost', 'missing_output', 'internal_error']);
/** What a run that is repeated failed of. */
const REPEATED: ReadonlySet<string> = new Set(['lost', 'out_of_memory', 'unreachable']);
