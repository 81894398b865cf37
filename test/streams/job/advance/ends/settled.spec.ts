import { advance, aJob, after, told } from '../../a-job';
import { absences, broke, everyFact, executed, started, succeeded } from '../../facts';

describe.each([
  ['completed', after(aJob(), started, executed('3'), succeeded)],
  ['failed', after(aJob(), started, broke('node_error'))],
  ['lost', absences(aJob(), 0, 5_100, 10_200)],
])('a job that has %s', (_, settled) => {
  test.each(everyFact)('[R1] is not changed by $tag', (fact) => {
    expect(advance(settled, told(fact, 99_999))).toBe(settled);
  });
});
