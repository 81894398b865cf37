import { jobBoard, type BoardEvent } from '../../../../streams/board/board';
import type { Job } from '../../../../streams/job/job';
import type { Durations } from '../../../../streams/job/progress/plan/expected';
import { defaultTiming } from '../../../../streams/job/timing';
import { SERVER, aJob, aState, graph } from '../../job/a-job';

const durations: Durations = ({ literals }) => ({
  fixedMs: 1000 * Number(literals.get('seconds')),
  stepMs: 0,
  steps: 1,
  rounds: 1,
  alone: 1,
  trust: 1,
});

/** A board on which one job runs, that is expected to take so many seconds, and others wait. */
function aBoard({ seconds, waiting, each = 10 }: { seconds: number; waiting: number; each?: number }) {
  const board = jobBoard(
    defaultTiming,
    (_, error) => expect(error).toBeUndefined(),
    () => durations,
  );
  let at = 0;
  const told: { promptId: string; at: number; etaMs: number | undefined; seq: number }[] = [];
  const take = (event: BoardEvent): void => {
    for (const change of board.take(event))
      if (change.tag === 'state' && change.state.status === 'queued')
        told.push({ promptId: change.state.promptId, at, etaMs: change.state.etaMs, seq: change.state.seq });
  };
  const open = (promptId: string, takes: number): void => {
    const job: Job = {
      ...aJob({ state: aState({ promptId }) }),
      graph: graph({ '1': ['SaveImage', { seconds: takes }] }),
    };
    take({ tag: 'opened', job });
  };
  take({ tag: 'linked', clientId: 'c', at });
  open('running', seconds);
  take({ tag: 'started', promptId: 'running', at });
  for (let place = 1; place <= waiting; place++) {
    // Each is another's kind: what one has made is no use to the next.
    open(`${place}`, each + place / 1000);
    take({ tag: 'found', promptId: `${place}`, where: 'pending', ahead: place, at });
  }
  take({ tag: 'clock', at: (at += 1000) });
  told.length = 0;
  return {
    told,
    etaSeconds: (promptId: string): number => {
      const { etaMs = NaN, updatedAt } = board.job(promptId)!.state;
      return (etaMs - (at - updatedAt)) / 1000;
    },
    /** A look finds the jobs in this order, and tells of one of them where it stands. */
    found: (order: readonly string[], promptId: string): void => {
      const entries = order.map((runId) => ({ runId, nodes: () => 0, graph: () => undefined }));
      take({ tag: 'queueSeen', serverUrl: SERVER, entries, at });
      take({ tag: 'found', promptId, where: 'pending', ahead: order.indexOf(promptId), at });
    },
    /** The job at work counts to so many of ten. */
    counts: (value: number): void => take({ tag: 'stepped', promptId: 'running', nodeId: '1', value, max: 10, at }),
    seqOf: (promptId: string): number => board.job(promptId)!.state.seq,
    pass: (secondsMore: number): void => {
      for (let n = 0; n < secondsMore; n++) take({ tag: 'clock', at: (at += 1000) });
    },
  };
}

test('a waiting job is told nothing anew while all goes as it was told', () => {
  const { told, pass, etaSeconds } = aBoard({ seconds: 100, waiting: 2 });
  pass(15);
  expect(told).toEqual([]);
  expect(etaSeconds('1')).toBeCloseTo(100 - 15, -1);
});

test('a waiting job whose run before is late is told so, never that it starts now, and that it is as late again however late', () => {
  const { told, pass, etaSeconds } = aBoard({ seconds: 20, waiting: 1 });
  const left: number[] = [];
  for (let second = 0; second < 120; second++) {
    pass(1);
    left.push(etaSeconds('1'));
  }
  expect(told.length).toBeGreaterThan(2);
  expect(left.filter((seconds) => seconds <= 0)).toEqual([]);
  expect(left.filter((seconds) => seconds > 0).length).toBeGreaterThan(100);
  expect(left.at(-1)).toBeGreaterThan(60);
});

test('[R11] a waiting job is told by the clock in a change of its own, once what stands before it is less by more than a tenth', () => {
  const { told, pass, counts, seqOf } = aBoard({ seconds: 60, waiting: 4, each: 30 });
  const before = seqOf('4');
  counts(4);
  pass(1);
  counts(9);
  pass(10);
  expect(told.filter(({ promptId }) => promptId === '4')).toMatchObject([{ seq: before + 1 }]);
  expect(told.find(({ promptId }) => promptId === '4')!.etaMs! / 1000).toBeCloseTo(3 * 30, -1);
});

test('a waiting job that a look finds further in front has its sooner start told with that, in one change', () => {
  const { told, found, seqOf, etaSeconds } = aBoard({ seconds: 60, waiting: 4, each: 30 });
  const [seq, before] = [seqOf('4'), etaSeconds('4')];
  found(['running', '1', '4', '2', '3'], '4');
  expect(told).toMatchObject([{ promptId: '4', seq: seq + 1 }]);
  expect(etaSeconds('4')).toBeLessThan(before - 20);
});

test('what was told long ago is told anew, for those who do not count down', () => {
  const { told, pass } = aBoard({ seconds: 100, waiting: 1 });
  pass(60);
  expect(told.length).toBeGreaterThan(0);
  const { etaMs = 0, at } = told.at(-1)!;
  expect(etaMs / 1000).toBeCloseTo(100 - at / 1000, -1);
});

test('each waiting job is told no more than once in ten seconds, but for those that are about to start', () => {
  const { told, pass } = aBoard({ seconds: 60, waiting: 40 });
  pass(300);
  const far = told.filter(({ promptId }) => Number(promptId) > 10);
  expect(far.length).toBeGreaterThan(0);
  const last = new Map<string, number>();
  for (const { promptId, at } of far) {
    expect(at - (last.get(promptId) ?? -Infinity)).toBeGreaterThanOrEqual(10_000);
    last.set(promptId, at);
  }
});

test('[R17] long queues are not all gone through in the same second', () => {
  const board = jobBoard(defaultTiming, undefined, () => durations);
  for (let server = 0; server < 5; server++)
    for (let place = 0; place < 40; place++) {
      const promptId = `${server}-${place}`;
      const state = aState({ promptId, serverUrl: `${SERVER}-${server}` });
      const job = { ...aJob({ state }), graph: graph({ '1': ['SaveImage', { seconds: 60 + place }] }) };
      board.take({ tag: 'opened', job });
      board.take({ tag: 'found', promptId, where: 'pending', ahead: place, at: 0 });
    }
  // Nothing ran, and all were told a start: by now each is told another.
  const servers = [1, 2, 3, 4, 5].map((second) => {
    const changes = board.take({ tag: 'clock', at: 60_000 + second * 1000 });
    return new Set(changes.flatMap((change) => (change.tag === 'state' ? [change.state.serverUrl] : []))).size;
  });
  expect(servers).toEqual([1, 1, 1, 1, 1]);
});
