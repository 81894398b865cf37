import { bounds } from '../../../../../streams/bounds';
import { defaultTiming as timing } from '../../../../../streams/job/timing';
import { advance, aJob, after, anOutput, running, told, type Fact } from '../../a-job';
import { absent, executed, found, snapshot, started, step, succeeded } from '../../facts';
import { nextLookAtOf } from '../../../../../streams/job/advance/next-look';

describe('the good end', () => {
  test('[R3, R16] of which frames told more than a run holds is had from history, and so much is held', () => {
    const outputs = Array.from({ length: 2_000 }, (_, n) => anOutput('3', `${n}${'x'.repeat(400)}.png`));
    const floods = Array.from({ length: 4 }, (_, n): Fact => ({ tag: 'executed', nodeId: `${n}`, outputs }));
    const flooded = after(aJob(), started, ...floods);
    const held = 'outputs' in flooded.stage ? [...flooded.stage.outputs.entries()].flatMap(([, given]) => given) : [];
    expect(JSON.stringify(held).length).toBeLessThan(2 * bounds.heldOutputsBytes);
    expect(after(flooded, succeeded).stage.tag).toBe('fetchingOutputs');
    // A node without outputs counts as 100 bytes beside its id: 1,000.
    const ids = Array.from({ length: 2_000 }, (_, n) => `${n}`.padStart(900, '0'));
    const nothings = ids.map((nodeId): Fact => ({ tag: 'executed', nodeId, outputs: [] }));
    const emptied = after(aJob(), started, ...nothings);
    expect('outputs' in emptied.stage && emptied.stage.outputs.size()).toBeLessThan(bounds.heldOutputsBytes / 1_000);
  });

  test('[R3, R16] told again by the same node, outputs are held once and stay the whole of it', () => {
    const outputs = [anOutput('3', 'x'.repeat(0.6 * bounds.heldOutputsBytes))];
    const told: Fact = { tag: 'executed', nodeId: '3', outputs };
    expect(after(aJob(), started, told, told, succeeded).state.status).toBe('completed');
  });

  test('[R16] shows no node under an id that is longer than a workflow’s', () => {
    const shows = (id: string) => after(aJob(), started, snapshot(running(id, 1, 2))).state.node?.id;
    expect([shows('9'.repeat(200)), shows('9'.repeat(201))]).toEqual(['9'.repeat(200), undefined]);
  });

  test('[R3] is not the first `executed`', () => {
    expect(after(aJob(), started, executed('3')).state.status).toBe('processing');
  });

  test('[R3] comes with the outputs of the frames where none was missed', () => {
    const { state } = after(aJob(), started, executed('3'), succeeded);
    expect(state).toMatchObject({
      status: 'completed',
      phase: 'settled',
      progress: 100,
      outputs: [anOutput('3')],
      finishedAt: 2,
    });
  });

  test('[R3] waits for history where frames were missed, and looks there at once', () => {
    const job = after(aJob(), executed('3'), succeeded);
    expect(job.state).toMatchObject({ status: 'processing', phase: 'finishing' });
    expect(job.state.outputs).toBeUndefined();
    expect(nextLookAtOf(job)).toBe(1);
    const outcome = [anOutput('3'), anOutput('4')];
    expect(advance(job, told({ tag: 'ended', outcome }, 2)).state).toMatchObject({
      status: 'completed',
      outputs: outcome,
    });
  });

  test('[R3] is looked for again until history is written: after a success the queue proves nothing', () => {
    const job = after(aJob(), succeeded);
    const again = advance(job, told(found('running'), 100));
    expect(again.state.status).toBe('processing');
    expect(nextLookAtOf(again)).toBe(100 + timing.soonMs);
    expect(nextLookAtOf(advance(job, told(absent, 100)))).toBe(100 + timing.soonMs);
  });

  test('[R3] is not put off by frames that follow a success', () => {
    expect(nextLookAtOf(after(aJob(), succeeded, step(10)))).toBe(0);
  });

  test('[R3] has its outputs in one order, whoever told of them', () => {
    const { state: fromFrames } = after(aJob(), started, executed('10'), executed('9'), executed('2:1'), succeeded);
    const { state: fromHistory } = after(aJob(), {
      tag: 'ended',
      outcome: [anOutput('2:1'), anOutput('9'), anOutput('10')],
    });
    expect(fromFrames.outputs).toEqual(fromHistory.outputs);
    expect(fromFrames.outputs?.map(({ nodeId }) => nodeId)).toEqual(['2:1', '9', '10']);
  });

  test('[R3] keeps the order of one node’s files', () => {
    const outputs = [anOutput('3', 'b.png'), anOutput('3', 'a.png')];
    expect(after(aJob(), started, { tag: 'executed', nodeId: '3', outputs }, succeeded).state.outputs).toEqual(outputs);
  });

  test('[R3] counts an output node once, however often it is told', () => {
    expect(after(aJob(), started, executed('3'), executed('3'), succeeded).state.outputs).toEqual([anOutput('3')]);
  });
});
