import { objectionsToOpening, objectionsToReport } from '../../../streams/reports/objections';

const fieldsOf = (report: unknown): readonly string[] => objectionsToReport(report).map(({ field }) => field);

test.each([
  { count: 1 },
  { count: 1, value: 0, max: 1500, stage: 'caching latents', message: 'x', metrics: { 'train/loss': 0.1 } },
  { count: 1, value: 0.5, max: 1 },
  { count: 1_764_000_000_000, outputs: ['a.safetensors', 'https://files.example/a?sig=1'] },
  { count: 1, outputs: [] },
  { count: 1, failure: { message: 'broke', kind: 'out_of_memory', retryable: true } },
])('%j is a report', (report) => expect(objectionsToReport(report)).toEqual([]));

test.each([
  [{}, 'count'],
  [{ count: 0 }, 'count'],
  [{ count: 1.5 }, 'count'],
  [{ count: '1' }, 'count'],
  [{ count: 1, value: 1 }, 'max'],
  [{ count: 1, max: 1 }, 'value'],
  [{ count: 1, value: 2, max: 1 }, 'value'],
  [{ count: 1, value: -1, max: 1 }, 'value'],
  [{ count: 1, value: 0, max: 0 }, 'max'],
  [{ count: 1, value: Number.NaN, max: 1 }, 'value'],
  [{ count: 1, stage: '' }, 'stage'],
  [{ count: 1, stage: 'x'.repeat(101) }, 'stage'],
  [{ count: 1, message: 'x'.repeat(2_001) }, 'message'],
  [{ count: 1, metrics: [1] }, 'metrics'],
  [{ count: 1, metrics: { loss: '1' } }, 'metrics'],
  [{ count: 1, metrics: { loss: Infinity } }, 'metrics'],
  [{ count: 1, metrics: JSON.parse('{"__proto__": 1}') as unknown }, 'metrics'],
  [{ count: 1, metrics: { ['x'.repeat(65)]: 1 } }, 'metrics'],
  [{ count: 1, metrics: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`m${n}`, n])) }, 'metrics'],
  [{ count: 1, outputs: 'a' }, 'outputs'],
  [{ count: 1, outputs: ['x'.repeat(2_001)] }, 'outputs'],
  [{ count: 1, outputs: Array.from({ length: 101 }, () => 'a') }, 'outputs'],
  [{ count: 1, outputs: ['https://ada:hunter22@files.example/a'] }, 'outputs'],
  [{ count: 1, outputs: ['https:///ada:hunter22@files.example/a'] }, 'outputs'],
  [{ count: 1, outputs: ['https://\\\\ada:hunter22@files.example/a'] }, 'outputs'],
  [{ count: 1, outputs: [], failure: { message: 'x' } }, 'failure'],
  [{ count: 1, failure: 'broke' }, 'failure'],
  [{ count: 1, failure: { message: 'x', kind: 'cancelled' } }, 'failure'],
  [{ count: 1, failure: { message: 'x', traceback: 'y' } }, 'failure'],
  [{ count: 1, steps: 5 }, 'steps'],
  [[], 'report'],
])('[R16] %j is refused for its %s', (report, field) => expect(fieldsOf(report)).toEqual([field]));

test.each([
  [{ steps: 0 }, 'steps'],
  [{ silentMs: 10 }, 'silentMs'],
  [{ silentMs: 1e12 }, 'silentMs'],
  [{ step: 5 }, 'step'],
])('[R16] nobody opens a job with %j', (reported, field) =>
  expect(objectionsToOpening(reported).map((each) => each.field)).toEqual([field]),
);
