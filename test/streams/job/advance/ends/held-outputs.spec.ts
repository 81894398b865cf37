import { aFailure, aFile, aJob, aPosting, after, anOutput, sampling, type Fact } from '../../a-job';
import { ended, executed, started } from '../../facts';

describe('what a state holds', () => {
  test('[R16] is bounded, whatever a server names', () => {
    const outputs = Array.from({ length: 200_000 }, (_, n) => anOutput('3', `${'x'.repeat(400)}${n}.png`));
    const { state } = after(aJob(), { tag: 'ended', outcome: outputs });
    expect(state.status).toBe('completed');
    expect(state.outputs!.length).toBeGreaterThan(100);
    expect(JSON.stringify(state).length).toBeLessThan(1 << 20);
  });

  test('is told under the nodes of the workflow itself', () => {
    const { state } = after(aJob(), { tag: 'ended', outcome: [anOutput('3.0.0.2'), anOutput('2')] });
    expect(state.outputs?.map(({ nodeId }) => nodeId)).toEqual(['2', '3']);
  });

  test('is told so where only the look at its end brings the workflow', () => {
    const endedInNode: Fact = { tag: 'ended', outcome: [anOutput('3.0.0.2')], graph: sampling };
    expect(after(aJob({ graph: new Map() }), endedInNode).state.outputs?.map(({ nodeId }) => nodeId)).toEqual(['3']);
  });

  test('of an end that a look sees before the post was answered are its outputs', () => {
    expect(after(aPosting(), ended()).state).toMatchObject({ status: 'completed', outputs: [anOutput('3')] });
  });

  test('of pictures that came over the socket is each of them, once, whichever is sent again', () => {
    const pictured = (filename: string): Fact => ({ tag: 'pictured', output: aFile('3', filename), bytes: 9 });
    const { state, stage } = after(aJob(), started, pictured('a.png'), pictured('b.png'), pictured('a.png'));
    expect(state.pictures?.map(({ filename }) => filename)).toEqual(['a.png', 'b.png']);
    expect(stage).toMatchObject({ pictureBytes: 18 });
  });

  test('of a failure are the outputs that were finished before it', () => {
    const { state } = after(aJob(), started, executed(), { tag: 'broke', failure: aFailure('node_error', '2') });
    expect(state).toMatchObject({ status: 'failed', outputs: [anOutput('3')] });
  });
});
