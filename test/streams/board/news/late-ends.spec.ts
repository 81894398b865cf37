import type { Fact } from '../../job/a-job';
import { SERVER, sampling } from '../../job/a-job';
import { learned } from '../../../../streams/job/progress/learned/learned';
import { planOf } from '../../../../streams/job/progress/plan/plan';
import { aBoard } from '../a-board';

const NOON = 1_700_000_000_000;

/** How long the sampler and what saves its picture are expected to take after such a run, ms: its end came at 800. */
function learntOf({ began, ended, lastAt = 500 }: { began?: number; ended?: number; lastAt?: number }) {
  const { board, at, linked, open } = aBoard();
  const knowledge = learned();
  linked();
  open('a');
  const tell = (time: number, fact: Fact): void => {
    at(time);
    for (const change of board.take({ promptId: 'a', at: time, ...fact }))
      if (change.tag === 'measured') knowledge.learn(SERVER, change.run, change.at);
  };
  const [[sampler], [saver]] = [[...sampling.keys()].slice(-2), [...sampling.keys()].slice(-1)] as [[string], [string]];
  tell(0, { tag: 'started', ...(began !== undefined && { saidAt: began }) });
  tell(0, { tag: 'executing', nodeId: sampler });
  tell(lastAt, { tag: 'executing', nodeId: saver });
  tell(800, { tag: 'executed', nodeId: saver, outputs: [] });
  tell(800, { tag: 'succeeded', ...(ended !== undefined && { saidAt: ended }) });
  const durations = knowledge.durationsOn(SERVER);
  const { nodes } = planOf(sampling);
  return [sampler, saver].map((id) => {
    const { fixedMs, afterMs = 0 } = durations(nodes.get(id)!, true);
    return Math.round(fixedMs + afterMs);
  });
}

test('what a run took is learnt by the server’s own clock where its last frames came late', () => {
  expect(learntOf({ began: NOON, ended: NOON + 513 })).toEqual([500, 13]);
});

test.each([
  ['the server says no time', {}],
  ['its clock went back', { began: NOON, ended: NOON - 5_000 }],
  ['its clock went ahead', { began: NOON, ended: NOON + 60_000 }],
  ['it went back by most of the run', { began: NOON, ended: NOON + 100 }],
  ['they came in time', { began: NOON, ended: NOON + 770 }],
])('it is learnt by the frames where %s', (_, said) => {
  expect(learntOf(said)).toEqual([500, 300]);
});

test('a node of which the first news came late is learnt to have had what was left until then', () => {
  expect(learntOf({ began: NOON, ended: NOON + 480, lastAt: 700 })).toEqual([480, 0]);
});
