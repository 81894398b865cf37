import { curveOf, figure } from '../../../../gateway/dashboard/model/curves';
import { explanationOf } from '../../../../gateway/dashboard/model/explanation';
import {
  ago,
  detailWords,
  duration,
  leftWords,
  startWords,
  percent,
  statusWords,
  stepWords,
  typeWords,
} from '../../../../gateway/dashboard/model/words';
import type { CurvePoint } from '../../../../streams/reports/curves';
import type { Metrics } from '../../../../streams/reports/job-report';
import { job, running } from './a-job';

test('words', () => {
  expect([0, 59_400, 61_000, 600_000, 3_600_000, 3_900_000].map(duration)).toEqual([
    '0 s',
    '59 s',
    '1 min 1 s',
    '10 min',
    '1 h',
    '1 h 5 min',
  ]);
  expect([0, 20_000, 190_000].map((age) => ago(1_000_000 - age, 1_000_000))).toEqual([
    'just now',
    '20 s ago',
    '3 min ago',
  ]);
  expect([0, 99.9, 100].map(percent)).toEqual(['0 %', '99 %', '100 %']);
  expect(['face_swap', 'own_type'].map(typeWords)).toEqual(['Face swap', 'Own type']);
  expect([9000, 2500, 70_000].map((left) => leftWords(left, job(), 3000))).toEqual([
    '~ 7 s left',
    'any moment',
    '~ 2 min left',
  ]);
  expect([6000, 60_000].map((time) => leftWords(2500, job(), time))).toEqual(['any moment', undefined]);
  expect([3000, 6000, 60_000].map((time) => startWords(5000, job(), time))).toEqual([
    'starts in ~ 3 s',
    'starts any moment',
    undefined,
  ]);
  expect(stepWords(running('1', 0, { node: { id: '1', type: 'K', value: 12.5, max: 20 } }))).toBe('12 / 20');
  expect(
    [undefined, 0, 1, 3].map((queuePosition) =>
      detailWords(job({ ...(queuePosition !== undefined && { queuePosition }) })),
    ),
  ).toEqual(['', 'next in line', '1 job ahead', '3 jobs ahead']);
});

test('waiting and running are told apart', () => {
  const done = job({ status: 'completed', startedAt: 1000, executionStartedAt: 20_000, finishedAt: 20_500 });
  expect(detailWords(done)).toBe('ran 0.5 s · waited 19 s');
  // Earlier runs are in that time too.
  expect(detailWords({ ...done, attempt: 2 })).toBe('ran 0.5 s');
  expect(detailWords({ ...done, executionStartedAt: 1010 })).toBe('ran 19 s');
  const { executionStartedAt: _, ...unknown } = done;
  expect(detailWords(unknown)).toBe('20 s with its waiting');
});

test('a job that runs in part says so until it has failed', () => {
  const nodeErrors = [{ nodeId: '1', message: 'no' }];
  expect(statusWords(job({ status: 'processing', nodeErrors }))).toBe('Running in part');
  expect(statusWords(job({ status: 'completed', nodeErrors }))).toBe('Completed in part');
  expect(statusWords(job({ status: 'failed', nodeErrors }))).toBe('Failed');
});

test('a metric is a line within its box, and words', () => {
  const points = [0.4, 0.2, 0.3].map((loss, n) => ({ at: 1000 * n, metrics: { loss } }));
  expect(curveOf('loss', 0.3, points)).toEqual({
    name: 'loss',
    newest: '0.3',
    line: '0.0,0.0 50.0,30.0 100.0,15.0',
    words: 'from 0.4 · lowest 0.2 · highest 0.4',
  });
  expect(curveOf('loss', 0.4, points.slice(0, 1))).toMatchObject({ line: '', words: '' });
  expect(curveOf('lr', 1, points)).toMatchObject({ newest: '1', line: '' });
  const of = (...values: readonly number[]) =>
    curveOf(
      'x',
      values.at(-1)!,
      values.map((x, at) => ({ at, metrics: { x } })),
    ).line;
  expect(of(7, 7)).toBe('0.0,15.0 100.0,15.0');
  expect(of(-1.7e308, 1.7e308)).toBe('0.0,30.0 100.0,0.0');
  expect([0.083123, 1e-7, 12_345, 0].map(figure)).toEqual(['0.08312', '1e-7', '12350', '0']);
});

test('what is called as every object’s own things is told as any other', () => {
  const points: readonly CurvePoint[] = [
    { at: 1, metrics: { loss: 1 } },
    { at: 2, metrics: JSON.parse('{"constructor":0.5}') as Metrics },
  ];
  expect(curveOf('constructor', 0.5, points)).toEqual({ name: 'constructor', newest: '0.5', line: '', words: '' });
  expect(['constructor', 'toString'].map(typeWords)).toEqual(['Constructor', 'ToString']);
  const failure = { kind: 'constructor' as 'lost', message: 'no', retryable: true };
  expect(explanationOf({ failure })).toMatchObject({ title: 'Failed', why: 'It failed (constructor).' });
});

test('of a job that reports itself, nothing is said of nodes or servers', () => {
  const reported = { silentMs: 1, count: 1, heardAt: 1 };
  const live = { status: 'processing', phase: 'loading', via: 'report', reported } as const;
  expect(detailWords(job({ ...live, stage: 'caching latents' }))).toBe('caching latents');
  expect(detailWords(job(live))).toBe('');
  for (const kind of ['node_error', 'out_of_memory', 'interrupted', 'missing_output', 'timed_out'] as const) {
    const failure = { kind, message: 'no', retryable: true };
    const { title, why, remedy } = explanationOf(job({ status: 'failed', failure, reported }));
    expect([kind, `${title} ${why} ${remedy}`]).not.toEqual([kind, expect.stringMatching(/node|ComfyUI|server/i)]);
  }
});
