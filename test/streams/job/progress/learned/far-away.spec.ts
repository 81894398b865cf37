import { learned } from '../../../../../streams/job/progress/learned/learned';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock, type RunClock } from '../../../../../streams/job/progress/run-clock';
import { executed, executing } from '../../../../../streams/job/progress/run-events';
import { shownAt } from '../../../../../streams/job/progress/bar';
import { graphOf } from '../../../../../streams/job/workflow';

const blurring = (sigma: number) =>
  graphOf({
    '1': { class_type: 'LoadImage', inputs: {} },
    '2': { class_type: 'ImageBlur', inputs: { sigma, image: ['1', 0] } },
    '3': { class_type: 'SaveImage', inputs: { images: ['2', 0] } },
  });

function aRun(sigma: number, ms: number): RunClock {
  const done = (run: RunClock, id: string, from: number, to: number): RunClock =>
    executed(executing(run, id, from), id, to);
  const run = done(runClock(planOf(blurring(sigma)), { at: 0 }), '1', 0, 40);
  return done(done(run, '2', 40, 40 + ms), '3', 40 + ms, 65 + ms);
}

test.each([
  ['a little further than what was seen', 12, 3],
  ['a hundred thousand times as far', 1e5, 10],
  ['without end', 1e15, 200],
])('two inputs that lie close and took long and short say no absurd time of one that lies %s', (_, then, times) => {
  const known = learned();
  for (let n = 0; n < times; n++) {
    known.learn('s', aRun(7, 300), 1e6);
    known.learn('s', aRun(7.5, 40_000), 1e6);
  }
  const plan = planOf(blurring(then));
  const { fixedMs } = known.durationsOn('s')(plan.nodes.get('2')!, true);
  expect(fixedMs).toBeLessThan(30 * 40_000);
  const { share, leftMs } = shownAt(runClock(plan, { at: 0, durations: known.durationsOn('s') }), 1_000);
  expect(share).toBeGreaterThanOrEqual(0);
  expect(leftMs).toBeLessThan(3_600_000);
});
