import { defer, tap, type MonoTypeOperatorFunction } from 'rxjs';
import { traced } from './spans';
import type { Telemetry } from './telemetry-event';

/** Tells, and traces, how many jobs of inherited sessions were taken up, and how long that took from subscribing on. */
export const takingOver =
  <T>(sessions: number, tell: Telemetry | undefined): MonoTypeOperatorFunction<readonly T[]> =>
  (jobs$) =>
    defer(() => {
      const began = performance.now();
      return jobs$.pipe(
        tap((jobs) => tell?.({ tag: 'tookOver', sessions, jobs: jobs.length, ms: performance.now() - began })),
      );
    }).pipe(traced('jobstream.take_over', { 'jobstream.sessions': sessions }));
