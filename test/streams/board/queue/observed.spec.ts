import { middleOf, observed } from '../../../../streams/board/queue/start/observed';

const ran = (heat: string) => ({ kind: 'k', shape: 's', heat, isCold: false, planned: undefined });

test('what a workflow takes is told of its last three runs, those of one kind by the middle of them', () => {
  const { took, ofHeat, ofKind } = observed();
  for (const ms of [9_000, 30, 10, 20]) took(ran('warm'), ms, true);
  expect(ofHeat('warm')).toEqual([30, 10, 20]);
  expect(ofKind('k')?.ms).toBe(20);
  expect([ofHeat('cold'), ofKind('other')]).toEqual([[], undefined]);
});

test('what nothing else is known of takes what strangers’ runs do, and what ours do where there were none', () => {
  const { took, usualRun } = observed();
  expect(usualRun()).toBeUndefined();
  took(ran('warm'), 500, true);
  expect(usualRun()?.ms).toBe(500);
  took(undefined, 40, false);
  took(ran('warm'), 500, true);
  expect(usualRun()?.ms).toBe(40);
  for (let n = 0; n < 15; n += 1) took(undefined, 7, false);
  expect(usualRun()?.ms).toBeCloseTo(7);
});

test.each([
  [[500], false],
  [[500, 600], true],
  [[500, 600, 90_000], true],
  [[500, 600, 90_000, 2_000], false],
])('after %j ms the next is expected to take about as long: %s', (times, areAlike) => {
  const { took, usualRun } = observed();
  for (const ms of times) took(undefined, ms, false);
  expect(usualRun()?.areAlike).toBe(areAlike);
});

test('[R9] a run that took less than no time, or no number of ms, is none', () => {
  const { took, count, usualRun } = observed();
  for (const ms of [-1, Number.NaN]) took(ran('warm'), ms, false);
  expect([count(), usualRun()]).toEqual([0, undefined]);
});

test('the middle of an even number of times is between the two there', () => {
  expect(middleOf([90, 10, 1, 1_000])).toBe(30);
  expect(middleOf([])).toBeUndefined();
});
