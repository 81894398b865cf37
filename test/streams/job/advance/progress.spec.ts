import type { Job } from '../../../../streams/job/job';
import { graphOf } from '../../../../streams/job/workflow';
import { advance, aJob, after, finished, sampling, told, type Fact } from '../a-job';
import { broke, executed, snapshot, started, step, succeeded } from '../facts';

describe('progress', () => {
  const shares = (job: Job, ...facts: readonly Fact[]): number[] =>
    facts.map((fact, index) => (job = advance(job, told(fact, 1_000 * index))).state.progress);

  const rises = (values: readonly number[]): void =>
    values.forEach((value, n) => expect(value).toBeGreaterThanOrEqual(values[n - 1] ?? 0));

  test('[R2] does not fall when a node counts from the start again', () => {
    rises(shares(aJob(), started, step(3), step(7), step(1), step(6)));
  });

  test('[R2] does not fall when a node turns out to have more steps than it declared', () => {
    rises(shares(aJob(), started, step(8), step(9), { tag: 'stepped', nodeId: '2', value: 10, max: 1_000 }));
  });

  test('[R2] does not fall when a look brings a larger workflow', () => {
    const small = aJob({ graph: graphOf({ '2': { class_type: 'Sampler', inputs: { steps: 10 } } }) });
    rises(shares(small, started, step(9), { tag: 'found', where: 'running', graph: sampling }, step(10)));
  });

  test('[R2] stays under 100 when all is done but the end has not been told', () => {
    const all = shares(aJob(), started, snapshot(finished('1'), finished('2', 10, 10), finished('3')), executed('3'), {
      tag: 'ticked',
    });
    expect(all.at(-1)).toBeGreaterThan(90);
    expect(all.at(-1)).toBeLessThan(100);
  });

  test('[R2] is 100 once completed, however little was seen', () => {
    expect(after(aJob(), { tag: 'ended', outcome: [] }).state).toMatchObject({ status: 'completed', progress: 100 });
  });

  test('[R2] of a failed job stays where it was', () => {
    const job = after(aJob(), started, step(5));
    expect(advance(job, told(broke('node_error'))).state.progress).toBe(job.state.progress);
  });

  test('[R2] has one decimal at most', () => {
    const thirds = shares(aJob(), ...Array.from({ length: 10 }, (_, index) => step(index + 1)));
    for (const share of thirds) expect(share).toBe(Number(share.toFixed(1)));
    expect(new Set(thirds).size).toBe(10);
  });

  test.each([
    [Number.NaN, 10],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [5, Number.NaN],
    [-5, -10],
    [5, 0],
    [1e308, 1e308],
  ])('[R2] is a number when a node claims step %p of %p', (value, max) => {
    const job = after(aJob(), { tag: 'stepped', nodeId: '1', value, max }, { tag: 'stepped', nodeId: '2', value, max });
    expect(job.state.progress).toBeGreaterThanOrEqual(0);
    expect(job.state.progress).toBeLessThanOrEqual(99);
  });
});

describe('a job that runs on unheard', () => {
  /** Two of its ten steps came in four seconds, then its socket was lost. */
  const unheard = (): Job => {
    const heard = [told(started, 1_000), told(step(1), 3_000), told(step(2), 5_000)];
    return { ...heard.reduce((job, event) => advance(job, event), aJob()), linked: false };
  };
  const tick = (job: Job, at: number): Job => advance(job, told({ tag: 'ticked' }, at));

  test('[R2] goes on by the clock, and never to its end', () => {
    const shown = [6_000, 9_000, 13_000, 20_000, 40_000];
    let job = unheard();
    const values = shown.map((at) => (job = tick(job, at)).state.progress);
    values.forEach((value, n) => expect(value).toBeGreaterThan(values[n - 1] ?? unheard().state.progress));
    expect(values.at(-1)).toBeLessThan(100);
  });

  test('has what is left of it told once its pace was seen, and not before', () => {
    expect(advance(aJob(), told(started, 1_000)).state.etaMs).toBeUndefined();
    expect(unheard().state.etaMs).toBeGreaterThan(10_000);
  });

  test('has what is left of it told in whole ms', () => {
    const { etaMs } = tick(unheard(), 5_333).state;
    expect(etaMs).toBe(Math.round(etaMs!));
  });

  test('[R1] and has ended is not gone on with', () => {
    const end = advance(unheard(), told(succeeded, 6_000));
    expect(tick(end, 9_000)).toBe(end);
  });
});
