import type { Job } from '../../../../streams/job/job';
import type { Failure } from '../../../../streams/job/job-state';
import { advance, aFailure, anOutput, running, told, type Fact } from '../a-job';

export const started: Fact = { tag: 'started' };
export const succeeded: Fact = { tag: 'succeeded' };
export const absent: Fact = { tag: 'absent' };
export const step = (value: number, nodeId = '2'): Fact => ({ tag: 'stepped', nodeId, value, max: 10 });
export const executed = (nodeId: string): Fact => ({ tag: 'executed', nodeId, outputs: [anOutput(nodeId)] });
export const snapshot = (...nodes: ReturnType<typeof running>[]): Fact => ({ tag: 'snapshot', nodes });
export const broke = (kind: Failure['kind']): Fact => ({ tag: 'broke', failure: aFailure(kind, '2') });
export const found = (where: 'pending' | 'running', ahead?: number): Fact => ({
  tag: 'found',
  where,
  ...(ahead !== undefined && { ahead }),
});

/** Absences at the times given. */
export const absences = (job: Job, ...times: readonly number[]): Job =>
  times.reduce((job, at) => advance(job, told(absent, at)), job);

export const everyFact: readonly Fact[] = [
  started,
  { tag: 'cached', nodeIds: ['1'] },
  { tag: 'executing', nodeId: '2' },
  step(3),
  snapshot(running('2', 4, 10)),
  executed('3'),
  succeeded,
  broke('node_error'),
  found('pending', 3),
  found('running'),
  { tag: 'ended', outcome: [anOutput('3', 'other.png')] },
  { tag: 'ended', outcome: aFailure('interrupted') },
  absent,
  { tag: 'accepted', postedAt: 1, nodeErrors: [] },
  { tag: 'refused', failure: aFailure('rejected') },
  { tag: 'cancelAsked' },
];
