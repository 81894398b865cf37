import type { Job } from '../../../streams/job/job';
import type { FailureKind } from '../../../streams/job/job-state';
import { SERVER, advance, aFailure, anOutput, running, told, type Fact } from './a-job';

export const started: Fact = { tag: 'started' };
/** A step of the sampler's ten. */
export const step = (value: number, nodeId = '2'): Fact => ({ tag: 'stepped', nodeId, value, max: 10 });
export const executed = (nodeId = '3'): Fact => ({ tag: 'executed', nodeId, outputs: [anOutput(nodeId)] });
export const snapshot = (...nodes: ReturnType<typeof running>[]): Fact => ({ tag: 'snapshot', nodes });
export const succeeded: Fact = { tag: 'succeeded' };
/** A failure at the sampler. */
export const broke = (kind: FailureKind): Fact => ({ tag: 'broke', failure: aFailure(kind, '2') });

export const found = (where: 'pending' | 'running', ahead?: number): Fact => ({
  tag: 'found',
  where,
  ...(ahead !== undefined && { ahead }),
});
/** The end as a look finds it: a good one, or of this failure. */
export const ended = (kind?: FailureKind): Fact => ({
  tag: 'ended',
  outcome: kind === undefined ? [anOutput('3')] : aFailure(kind),
});
export const absent: Fact = { tag: 'absent' };

export const posting = (runId: string, clientId = 'c', serverUrl = SERVER): Fact => ({
  tag: 'posting',
  runId,
  clientId,
  serverUrl,
});
export const accepted = (postedAt = 0): Fact => ({ tag: 'accepted', postedAt });
export const refused = (kind: FailureKind): Fact => ({ tag: 'refused', failure: aFailure(kind) });
export const cancelAsked: Fact = { tag: 'cancelAsked' };
export const abandoned: Fact = { tag: 'abandoned' };

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
  ended('interrupted'),
  absent,
  { tag: 'accepted', postedAt: 1, nodeErrors: [] },
  refused('rejected'),
  cancelAsked,
];
