import { Counter, Histogram, type Registry } from 'prom-client';
import { buckets } from './buckets';
import type { FailureKind } from '../../../streams/job/job-state';
import type { Labels } from '../labels/labels';

/** Metrics of jobs that begin, end, and are taken up. */
export interface JobCounters {
  readonly submitted: Counter<'type'>;
  readonly settled: Counter<'type' | 'status' | 'failure' | 'transport'>;
  readonly waiting: Histogram<'type'>;
  readonly running: Histogram<'type'>;
  readonly progress: Counter<'visible'>;
  readonly recovered: Counter<'type'>;
  readonly recoveredSettled: Counter<'outcome'>;
}

export function jobCounters(registry: Registry, labels: Labels): JobCounters {
  const counters = { ...endCounters(registry), ...recoveryCounters(registry) };
  zero(counters, labels);
  return counters;
}

function endCounters(registry: Registry): Omit<JobCounters, 'recovered' | 'recoveredSettled'> {
  const registers = [registry];
  return {
    submitted: new Counter({
      name: 'jobstream_jobs_submitted_total',
      help: 'Jobs submitted to, or first tracked by, this instance.',
      labelNames: ['type'],
      registers,
    }),
    settled: new Counter({
      name: 'jobstream_jobs_settled_total',
      help: 'Jobs that ended, by type, status, kind of failure (none where completed) and the transport that watched them at the end.',
      labelNames: ['type', 'status', 'failure', 'transport'],
      registers,
    }),
    waiting: new Histogram({
      name: 'jobstream_job_waiting_seconds',
      help: 'From the submit of a job to the start of its last run, of jobs that ran.',
      labelNames: ['type'],
      buckets: buckets.jobs,
      registers,
    }),
    running: new Histogram({
      name: 'jobstream_job_running_seconds',
      help: 'From the start of a job’s last run to its end.',
      labelNames: ['type'],
      buckets: buckets.jobs,
      registers,
    }),
    progress: new Counter({
      name: 'jobstream_jobs_progress_total',
      help: 'Jobs that ran for 2 s or longer, by whether progress between 0 and 100 was told before their end.',
      labelNames: ['visible'],
      registers,
    }),
  };
}

function recoveryCounters(registry: Registry): Pick<JobCounters, 'recovered' | 'recoveredSettled'> {
  const registers = [registry];
  return {
    recovered: new Counter({
      name: 'jobstream_jobs_recovered_total',
      help: 'Jobs taken up that another instance, or an earlier run, had watched.',
      labelNames: ['type'],
      registers,
    }),
    recoveredSettled: new Counter({
      name: 'jobstream_recovered_jobs_settled_total',
      help: 'Recovered jobs that ended: followed to their end, or lost.',
      labelNames: ['outcome'],
      registers,
    }),
  };
}

/** The failures that alerts count: all but `cancelled` and `rejected`, which callers cause. */
const FAILURES: readonly Exclude<FailureKind, 'cancelled' | 'rejected'>[] = [
  ...(['node_error', 'out_of_memory', 'interrupted', 'lost', 'unreachable'] as const),
  ...(['missing_output', 'timed_out', 'internal_error'] as const),
];

/** Creates each series that an alert watches, at 0: PromQL's `increase` ignores the first value of a new series. */
function zero({ submitted, settled, progress, recovered, recoveredSettled }: JobCounters, { types }: Labels): void {
  for (const type of types) {
    submitted.inc({ type }, 0);
    recovered.inc({ type }, 0);
    for (const transport of ['websocket', 'polling', 'report']) {
      settled.inc({ type, transport, status: 'completed', failure: 'none' }, 0);
      for (const failure of FAILURES) settled.inc({ type, transport, status: 'failed', failure }, 0);
    }
  }
  for (const visible of ['true', 'false']) progress.inc({ visible }, 0);
  for (const outcome of ['followed', 'lost']) recoveredSettled.inc({ outcome }, 0);
}
