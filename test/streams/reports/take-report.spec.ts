import { advance as advanceAt } from '../../../streams/job/advance/advance';
import type { JobEvent } from '../../../streams/job/job-event';
import { jobOf, queuedState, runOfJob, type Job } from '../../../streams/job/job';
import type { JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import { REPORTED_URL, type JobReport } from '../../../streams/reports/job-report';
import { reportedJob } from '../../../streams/reports/reported-job';

const opened = (more: Partial<JobState> = {}): Job =>
  reportedJob({
    ...queuedState({ promptId: 'p', type: 'lora_training', userId: 'ada', serverUrl: REPORTED_URL, at: 0 }),
    session: 's',
    via: 'report',
    reported: { silentMs: 60_000, count: 0, heardAt: 0 },
    ...more,
  });

const advance = (job: Job, event: JobEvent): Job => advanceAt(job, event, defaultTiming);

const told = (job: Job, report: JobReport, at = report.count * 1_000): Job =>
  advance(job, { tag: 'reported', promptId: 'p', report, at });

const step = (count: number, more: Partial<JobReport> = {}): JobReport => ({ count, value: count, max: 100, ...more });

/** The steps up to this one, a second each. */
const trained = (to: number, from = opened()): Job =>
  Array.from({ length: to }, (_, n) => step(n + 1)).reduce((job, each) => told(job, each), from);

test('a report starts its job, and each after it is one change', () => {
  const first = told(opened(), { count: 1, stage: 'caching latents' });
  expect(first.state).toMatchObject({ status: 'processing', phase: 'loading', stage: 'caching latents', progress: 0 });
  expect(first.state).toMatchObject({ executionStartedAt: 1_000, via: 'report', seq: 2 });
  const next = told(first, step(2, { stage: 'training', metrics: { loss: 0.5, lr: 1e-4 } }));
  expect(next.state).toMatchObject({ phase: 'running', stage: 'training', seq: 3, metrics: { loss: 0.5, lr: 1e-4 } });
  expect(next.state.node).toEqual({ id: 'report', type: 'lora_training', value: 2, max: 100 });
  expect(next.state.reported).toMatchObject({ count: 2, heardAt: 2_000 });
});

test('a report with an older or equal count changes nothing', () => {
  const job = trained(5);
  for (const count of [5, 4, 1]) expect(told(job, step(count, { value: 90, message: 'late' }))).toBe(job);
});

test('what a report leaves out stays as it was; a sign of life is kept, since silence is counted from it', () => {
  const job = told(opened(), step(1, { stage: 'training', message: 'epoch 1', metrics: { loss: 1, lr: 2 } }));
  const next = told(job, { count: 2, metrics: { loss: 0.9 } });
  expect(next.state).toMatchObject({ stage: 'training', message: 'epoch 1', metrics: { loss: 0.9, lr: 2 } });
  expect(next.state.node?.value).toBe(1);
  expect(next.state.seq).toBe(job.state.seq + 1);
});

test('[R16] of many names of metrics, over many reports, the newest are kept', () => {
  const many = Array.from({ length: 30 }, (_, n) => n + 1).reduce(
    (job, n) => told(job, { count: n, metrics: { [`m${n}`]: n } }),
    opened(),
  );
  expect(Object.keys(many.state.metrics ?? {})).toHaveLength(20);
  expect(many.state.metrics).toMatchObject({ m30: 30, m11: 11 });
});

test('[R16] of more than 20 metrics the ones that the last report gave stay, however old their names are', () => {
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`m${n}`, n]));
  const job = told(told(opened(), { count: 1, metrics: many }), { count: 2, metrics: { m0: 0.5, loss: 1 } });
  const { m1: _, ...others } = many;
  expect(job.state.metrics).toEqual({ ...others, m0: 0.5, loss: 1 });
});

test('the time left is told from the pace of the steps', () => {
  const { etaMs = 0, progress } = trained(40).state;
  expect(etaMs).toBeGreaterThan(54_000);
  expect(etaMs).toBeLessThan(66_000);
  expect(progress).toBeGreaterThan(38);
  expect(progress).toBeLessThan(42);
});

test('what loads for a quarter of an hour before its first step has set no clock, and its pace is what it was', () => {
  const minutes = (job: Job): Job =>
    Array.from({ length: 15 }, (_, n) => 60_000 * (n + 1)).reduce(
      (job, at) => advance(job, { tag: 'ticked', promptId: 'p', at }),
      job,
    );
  const loaded = minutes(told(opened(), { count: 1, stage: 'loading' }, 0));
  const run = runOfJob([1, 2, 3].reduce((job, n) => told(job, step(n + 1, { value: n }), 900_000 + 1_000 * n), loaded));
  expect(run).toMatchObject({ clockWasSet: false, startedAt: 0 });
});

test.each([
  [1, 10],
  [620, 1_500],
])('a training that begins its reports with step %i of %i tells no time before it tells another', (value, max) => {
  const at = (count: number, more: Partial<JobReport>): JobReport => ({ count, max, ...more });
  const first = told(opened(), at(1, { value }), 1_000);
  expect(first.state).toMatchObject({ progress: 0, phase: 'running', node: { value, max } });
  expect(first.state.etaMs).toBeUndefined();
  const ticked = [1_040, 2_000, 60_000].reduce(
    (job, now) => advance(job, { tag: 'ticked', promptId: 'p', at: now }),
    first,
  );
  expect(ticked.state.progress).toBe(0);
  const second = told(ticked, at(2, { value: value + 1 }), 61_000);
  const leftMs = (max - value - 1) * 60_000;
  expect(second.state.etaMs).toBeGreaterThan(0.9 * leftMs);
  expect(second.state.etaMs).toBeLessThan(1.1 * leftMs);
});

test('what nobody could hear is no step that is late: after an outage the time left is as if it had gone on', () => {
  const kept = trained(40).state;
  const { state } = advance(opened(kept), { tag: 'ticked', promptId: 'p', at: 52_000 });
  expect(state.etaMs).toBeGreaterThan(46_000);
  expect(state.etaMs).toBeLessThan(52_000);
});

test('[R2] whoever takes it up goes on at its pace and its bar, from its state alone', () => {
  const before = trained(40);
  const after = reportedJob({ ...before.state, epoch: 41_000 });
  const ticked = advance(after, { tag: 'ticked', promptId: 'p', at: 41_000 });
  const wanted = advance(before, { tag: 'ticked', promptId: 'p', at: 41_000 });
  expect(ticked.state.etaMs).toBeCloseTo(wanted.state.etaMs ?? 0, -3);
  expect(ticked.state.progress).toBeGreaterThanOrEqual(before.state.progress);
  expect(ticked.state.progress - before.state.progress).toBeLessThan(2);
  const next = told(ticked, step(41), 41_500);
  expect(next.state.etaMs).toBeGreaterThan(53_000);
  expect(next.state.etaMs).toBeLessThan(65_000);
});

test('[R2] a training that goes back to its last checkpoint does not show less', () => {
  const before = trained(50);
  const back = told(before, step(51, { value: 40 }));
  expect(back.state.progress).toBeGreaterThanOrEqual(before.state.progress);
  expect(back.state.node?.value).toBe(40);
  const on = Array.from({ length: 5 }, (_, n) => step(52 + n, { value: 41 + n })).reduce(
    (job, each) => told(job, each),
    back,
  );
  // 55 steps of a second, not another round of a hundred.
  expect(on.state.etaMs).toBeGreaterThan(48_000);
  expect(on.state.etaMs).toBeLessThan(62_000);
});

test('it ends with names and URLs of what it made', () => {
  const outputs = ['ada-v1.safetensors', 'https://files.example/u/ada%20v1.safetensors?X-Sig=1', '/runs/7/grid.png'];
  const { state } = told(trained(3), { count: 4, outputs, metrics: { loss: 0.01 } });
  expect(state).toMatchObject({ status: 'completed', progress: 100, metrics: { loss: 0.01 }, finishedAt: 4_000 });
  expect(state.outputs).toEqual([
    { nodeId: 'report', kind: 'files', type: 'reported', subfolder: '', filename: 'ada-v1.safetensors' },
    {
      nodeId: 'report',
      kind: 'files',
      type: 'reported',
      subfolder: '',
      filename: 'ada%20v1.safetensors',
      url: outputs[1],
    },
    { nodeId: 'report', kind: 'files', type: 'reported', subfolder: '', filename: 'grid.png' },
  ]);
});

test('it ends with a failure in its own words', () => {
  const failure = { message: 'CUDA out of memory', kind: 'out_of_memory' as const };
  const { state } = told(trained(3), { count: 4, failure });
  expect(state).toMatchObject({ status: 'failed', failure: { ...failure, retryable: false } });
});

test('[R1] a job that was cancelled hears no report any more', () => {
  const cancelled = advance(trained(3), { tag: 'cancelAsked', promptId: 'p', at: 3_500 });
  expect(cancelled.state).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
  expect(told(cancelled, { count: 9, outputs: ['a'] })).toBe(cancelled);
  expect(advance(opened(), { tag: 'cancelAsked', promptId: 'p', at: 5 }).state.failure?.message).toMatch(
    /before it ran/,
  );
});

test('a job that ComfyUI runs takes no reports, and one that reports itself no news of ComfyUI', () => {
  const { reported: _, ...state } = opened().state;
  const comfys = jobOf(state, { accepted: true });
  expect(told(comfys, step(1))).toBe(comfys);
  const job = trained(3);
  for (const tag of ['succeeded', 'absent', 'started'] as const)
    expect(advance(job, { tag, promptId: 'p', at: 9_000 })).toBe(job);
});
