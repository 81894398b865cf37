import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { buckets } from './buckets';
import type { Handlers } from '../handlers';
import type { Watched } from '../labels/labels';

/** The store counts as down for 30 s after an operation failed, or until that operation works again. */
const DOWN_MS = 30_000;

type Tags = 'storeCalled' | 'storeStale' | 'fed' | 'fenced' | 'tookOver';

/** Metrics of the store, its feed, the states that wait for it, and take-overs between instances. */
export function storeMetrics(registry: Registry, watched: Watched): Handlers<Tags> {
  backlogGauges(registry, watched);
  return { ...callMetrics(registry), ...ownerMetrics(registry) };
}

function callMetrics(registry: Registry): Handlers<'storeCalled' | 'storeStale' | 'fed'> {
  const registers = [registry];
  /** When each operation failed whose last call did. */
  const failing = new Map<string, number>();
  const durations = new Histogram({
    name: 'jobstream_store_operation_duration_seconds',
    help: 'How long the store took: ok, unavailable (it did not answer), or refused for good.',
    labelNames: ['operation', 'outcome'],
    buckets: buckets.store,
    registers,
  });
  new Gauge({
    name: 'jobstream_store_up',
    help: '0 where something that the store was asked lately failed and has not worked since, else 1.',
    registers,
    collect() {
      const isDown = [...failing.values()].some((at) => performance.now() - at < DOWN_MS);
      this.set(isDown ? 0 : 1);
    },
  });
  const stale = new Counter({
    name: 'jobstream_store_stale_writes_total',
    help: 'Writes refused because the store held a state at least as new: a race for a job, or a fence.',
    registers,
  });
  const delay = new Histogram({
    name: 'jobstream_feed_delay_seconds',
    help: 'From a state’s making at the instance that watches the job to its arrival here over the feed.',
    buckets: buckets.delays,
    registers,
  });
  return {
    storeCalled: ({ operation, outcome, ms }) => {
      durations.observe({ operation, outcome }, ms / 1000);
      if (outcome === 'unavailable') failing.set(operation, performance.now());
      else failing.delete(operation);
    },
    storeStale: () => stale.inc(),
    fed: ({ delayMs }) => delay.observe(delayMs / 1000),
  };
}

function ownerMetrics(registry: Registry): Handlers<'fenced' | 'tookOver'> {
  const registers = [registry];
  const fenced = new Counter({
    name: 'jobstream_store_fenced_jobs_total',
    help: 'Jobs that this instance let go because its write met a newer owner’s (R11).',
    registers,
  });
  const takeovers = new Histogram({
    name: 'jobstream_takeover_duration_seconds',
    help: 'From the lease of inherited sessions to all their jobs being taken up; the count is that of take-overs.',
    buckets: buckets.outages,
    registers,
  });
  const sessions = new Counter({
    name: 'jobstream_takeover_sessions_total',
    help: 'Sessions taken over from an instance that is gone, or from an earlier run.',
    registers,
  });
  return {
    fenced: () => fenced.inc(),
    tookOver: (event) => {
      takeovers.observe(event.ms / 1000);
      sessions.inc(event.sessions);
    },
  };
}

function backlogGauges(registry: Registry, watched: Watched): void {
  const registers = [registry];
  new Gauge({
    name: 'jobstream_store_backlog_jobs',
    help: 'Jobs whose newest state is not stored yet.',
    registers,
    collect() {
      this.set(watched.view?.backlog().jobs ?? 0);
    },
  });
  new Gauge({
    name: 'jobstream_store_backlog_age_seconds',
    help: 'For how long the job has waited for the store that has waited longest.',
    registers,
    collect() {
      this.set((watched.view?.backlog().oldestMs ?? 0) / 1000);
    },
  });
}
