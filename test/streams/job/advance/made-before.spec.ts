import type { Job } from '../../../../streams/job/job';
import { advance, aFailure, aJob, after, anOutput, told } from '../a-job';
import { absent, cancelAsked, ended, executed, refused, started } from '../facts';

const begun = (): Job => after(aJob(), started, executed());
/** At these seconds. */
const absentAt = (job: Job, ...seconds: readonly number[]): Job =>
  seconds.reduce((job, at) => advance(job, told(absent, 1_000 * at)), job);
const missedSome = (): Job => {
  const job = begun();
  return after(job.stage.tag === 'watched' ? { ...job, stage: { ...job.stage, whole: false } } : job, {
    tag: 'succeeded',
  });
};

// However a run fails, what frames told of before that is there.
test.each<[kind: string, job: Job]>([
  ['lost', absentAt(begun(), 1, 7, 13)],
  ['missing_output', absentAt(missedSome(), 1, 7, 13)],
  ['cancelled', absentAt(after(begun(), cancelAsked), 1)],
  ['timed_out', after(begun(), refused('timed_out'))],
  ['node_error', after(begun(), { tag: 'broke', failure: aFailure('node_error') })],
  ['node_error', after(begun(), ended('node_error'))],
])('a job that is %s has the outputs that it had made', (kind, { state }) => {
  expect(state).toMatchObject({ status: 'failed', failure: { kind }, outputs: [anOutput('3')] });
});

test('what history tells of a failed job is what it had made', () => {
  const outputs = [anOutput('3', 'other.png')];
  const { state } = after(begun(), { tag: 'ended', outcome: aFailure('node_error'), outputs });
  expect(state.outputs).toEqual(outputs);
});
