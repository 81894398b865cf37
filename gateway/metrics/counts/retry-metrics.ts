import { Counter, type Registry } from 'prom-client';

/** What the pipeline or the gateway retries: posting a run, running a job, sending a webhook. */
export type Retried = 'post' | 'run' | 'webhook';

/** Counts retries, and whether what was retried succeeded in the end. */
export interface Retries {
  readonly tried: (operation: Retried) => void;
  /** Call it when something that was retried has succeeded or was given up. */
  readonly ended: (operation: Retried, outcome: 'recovered' | 'exhausted') => void;
}

export function retryMetrics(registry: Registry): Retries {
  const registers = [registry];
  const retries = new Counter({
    name: 'jobstream_retries_total',
    help: 'Transient errors that are followed by another try: of posting a run, running a job, telling a webhook.',
    labelNames: ['operation'],
    registers,
  });
  const ends = new Counter({
    name: 'jobstream_retried_total',
    help: 'What was retried and has ended: recovered, or exhausted where it was given up.',
    labelNames: ['operation', 'outcome'],
    registers,
  });
  for (const operation of ['post', 'run', 'webhook']) {
    retries.inc({ operation }, 0);
    for (const outcome of ['recovered', 'exhausted']) ends.inc({ operation, outcome }, 0);
  }
  return {
    tried: (operation) => retries.inc({ operation }),
    ended: (operation, outcome) => ends.inc({ operation, outcome }),
  };
}
