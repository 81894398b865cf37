import { drawn, joined, noCurves, type Curves } from '../../../streams/reports/curves';
import { queuedState } from '../../../streams/job/job';
import { REPORTED_URL } from '../../../streams/reports/job-report';

const state = (at: number, metrics: Record<string, number> = { loss: at }) => ({
  ...queuedState({ promptId: 'p', type: 't', userId: 'u', serverUrl: REPORTED_URL, at: 0 }),
  metrics,
  reported: { silentMs: 1, count: at, heardAt: at },
  node: { id: 'report', type: 't', value: at, max: 9 },
});
const drawnTo = (last: number, metrics?: Record<string, number>, from: Curves = noCurves): Curves =>
  Array.from({ length: last }, (_, n) => n + 1).reduce((curves, at) => drawn(curves, state(at, metrics)), from);

test('a short run is kept as it was told', () => {
  expect(drawnTo(3).points).toEqual([1, 2, 3].map((at) => ({ at, value: at, metrics: { loss: at } })));
});

test('[R16] a long run is thinned: evenly, with its first and its newest point', () => {
  const { points } = drawnTo(20_000);
  expect(points.length).toBeGreaterThan(50);
  expect(points.length).toBeLessThanOrEqual(200);
  expect([points[0]?.at, points.at(-1)?.at]).toEqual([1, 20_000]);
  const gaps = points.slice(1, -1).map(({ at }, n) => at - (points[n]?.at ?? 0));
  expect(Math.max(...gaps) / Math.min(...gaps)).toBeLessThanOrEqual(3);
});

test('[R16] of many metrics fewer points are kept', () => {
  const twenty = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`m${n}`, n]));
  expect(drawnTo(5_000, twenty).points.length).toBeLessThanOrEqual(50);
});

test('what tells nothing new changes nothing', () => {
  const curves = drawnTo(3);
  expect(drawn(curves, { ...state(4), metrics: curves.points.at(-1)!.metrics })).toBe(curves);
  const { metrics: _, ...silent } = state(4);
  expect(drawn(curves, silent)).toBe(curves);
});

test('what was kept and what was seen since are one', () => {
  const kept = drawnTo(5);
  const seen = [4, 5, 6, 7].reduce((curves, at) => drawn(curves, state(at)), noCurves);
  expect(joined(kept, seen).points.map(({ at }) => at)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});
