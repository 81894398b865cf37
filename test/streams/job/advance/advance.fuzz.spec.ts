import fc from 'fast-check';
import { isAtServer, jobOf, type Job } from '../../../../streams/job/job';
import { isSettled, type JobState } from '../../../../streams/job/job-state';
import { defaultTiming as timing } from '../../../../streams/job/timing';
import { advance, aState, told, type Fact } from '../a-job';
import { anyFact, arbitraryGraph, interleaved, sighting, toldJob } from '../arbitrary-events';
import { runs } from '../../../support/jest/runs';

/** Facts at times that mostly, but not always, go on. */
const timed = fc.array(
  fc.tuple(anyFact, fc.oneof({ weight: 4, arbitrary: fc.nat(6_000) }, fc.integer({ min: -99, max: 0 }))),
  {
    maxLength: 60,
  },
);
const job = fc
  .record({
    how: fc.record({ graph: arbitraryGraph, accepted: fc.boolean(), linked: fc.boolean() }),
    retry: fc.record(
      { maxAttempts: fc.nat(3), onLost: fc.constant('resubmit' as const) },
      { requiredKeys: ['maxAttempts'] },
    ),
    retries: fc.boolean(),
  })
  .map(({ how, retry, retries }) => jobOf(aState(retries ? { retry } : {}), how));

/** The job after each fact, the first before any. */
function lives(start: Job, facts: readonly (readonly [Fact, number])[]): readonly Job[] {
  let at = 0;
  let job = start;
  return [start, ...facts.map(([fact, wait]) => (job = advance(job, told(fact, (at += wait)))))];
}

const pairs = (states: readonly JobState[]): [JobState, JobState][] =>
  states.slice(1).map((state, index) => [states[index]!, state]);

const property = (name: string, check: (states: readonly JobState[]) => void): void =>
  test(name, () => {
    fc.assert(
      fc.property(job, timed, (start, facts) => check(lives(start, facts).map(({ state }) => state))),
      { numRuns: runs(160) },
    );
  });

property('[R1] a settled job never changes', (states) => {
  const settled = states.findIndex(isSettled);
  if (settled >= 0) expect(new Set(states.slice(settled)).size).toBe(1);
});

property('[R2] progress never falls', (states) => {
  expect(pairs(states).filter(([before, after]) => after.progress < before.progress)).toEqual([]);
});

property('[R2] progress is under 100 until completed, and 100 then, with one decimal at most', (states) => {
  const isRight = ({ status, progress }: JobState): boolean =>
    progress === Number(progress.toFixed(1)) &&
    (status === 'completed' ? progress === 100 : progress >= 0 && progress < 100);
  expect(states.filter((state) => !isRight(state))).toEqual([]);
});

property('each change has the next `seq`; what is not changed is the very same', (states) => {
  const isNext = ([before, after]: [JobState, JobState]): boolean => after === before || after.seq === before.seq + 1;
  expect(pairs(states).filter((pair) => !isNext(pair))).toEqual([]);
});

property('no change changes nothing', (states) => {
  for (const [before, after] of pairs(states)) {
    if (before === after) continue;
    const { seq: _seq, updatedAt: _at, ...rest } = after;
    expect(before).not.toMatchObject(rest);
  }
});

property('a job goes from queued to processing to its end, once an attempt, and its end says why', (states) => {
  const order = ['queued', 'processing', 'completed', 'failed'];
  const isOnward = ([before, after]: [JobState, JobState]): boolean =>
    after.attempt === before.attempt
      ? order.indexOf(after.status) >= order.indexOf(before.status)
      : after.attempt === before.attempt + 1 && after.status === 'queued';
  expect(pairs(states).filter((pair) => !isOnward(pair))).toEqual([]);
  const end = states.at(-1)!;
  expect(end.failure !== undefined).toBe(end.status === 'failed');
  if (end.outputs !== undefined) expect(isSettled(end)).toBe(true);
  expect(end.outputs !== undefined || end.status !== 'completed').toBe(true);
  expect(end.phase === 'settled').toBe(isSettled(end));
});

property('a job has no more attempts than it is allowed', (states) => {
  expect(states.filter(({ attempt, retry }) => attempt > Math.max(1, retry?.maxAttempts ?? 1))).toEqual([]);
});

test('the same fact twice is the same as once, absences and answers that cannot be read apart', () => {
  fc.assert(
    fc.property(job, timed, (start, facts) => {
      const sighted = facts.filter(([fact]) => fact.tag !== 'absent' && fact.tag !== 'unreadable');
      const doubled = sighted.flatMap(([fact, wait]): [Fact, number][] => [
        [fact, wait],
        [fact, 0],
      ]);
      expect(lives(start, doubled).at(-1)!.state).toEqual(lives(start, sighted).at(-1)!.state);
    }),
    { numRuns: runs(160) },
  );
});

test('[R4] a job is lost only after three absences in a row, ten seconds from first to last', () => {
  fc.assert(
    fc.property(job, timed, (start, facts) => {
      let at = 0;
      let since = 0;
      let row = 0;
      let current = start;
      for (const [fact, wait] of facts) {
        at += wait;
        const heard = ![
          'absent',
          // Says nothing of it, either way.
          'unanswered',
          'accepted',
          'refused',
          'cancelAsked',
          'ended',
          'broke',
          'abandoned',
          'posting',
        ].includes(fact.tag);
        if (heard || (fact.tag === 'absent' && !isAtServer(current))) row = 0;
        else if (fact.tag === 'absent') since = row++ === 0 ? at : since;
        current = advance(current, told(fact, at));
        const kind = current.state.failure?.kind;
        if (kind !== 'lost' && kind !== 'missing_output') continue;
        expect(row).toBeGreaterThanOrEqual(3);
        expect(at - since).toBeGreaterThanOrEqual(timing.lostAfterMs);
        return;
      }
    }),
    { numRuns: runs(160) },
  );
});

test('[R3] a job is completed by `succeeded` or by history only', () => {
  fc.assert(
    fc.property(job, timed, (start, facts) => {
      const states = lives(start, facts).map(({ state }) => state.status);
      const end = states.indexOf('completed');
      if (end > 0) expect(['succeeded', 'ended']).toContain(facts[end - 1]![0].tag);
    }),
    { numRuns: runs(160) },
  );
});

describe('looks among frames', () => {
  /** Looks as a server gives them: the job waits, runs, may be between two lists once or twice, and is in history then. */
  const scenario = fc
    .record({
      job: toldJob,
      graph: arbitraryGraph,
      seen: fc.array(sighting, { maxLength: 6 }),
      absences: fc.nat(2),
      missed: fc.boolean(),
    })
    .chain(({ job, graph, seen, absences, missed }) => {
      const looks: Fact[] = [
        ...seen,
        ...Array.from({ length: absences }, (): Fact => ({ tag: 'absent' })),
        { tag: 'ended', outcome: job.outcome, outputs: job.outputs },
      ];
      const frames = missed ? job.frames.slice(1) : job.frames;
      return fc.record({
        graph: fc.constant(graph),
        outcome: fc.constant(job.outcome),
        outputs: fc.constant(job.outputs),
        facts: interleaved(frames, looks),
      });
    });

  test('[R3] lead to the same end, wherever they come and whatever frames were missed', () => {
    fc.assert(
      fc.property(scenario, ({ graph, outcome, outputs, facts }) => {
        const start = jobOf(aState(), { graph, accepted: true, linked: true });
        const { state } = lives(
          start,
          facts.map((fact) => [fact, 4_000] as const),
        ).at(-1)!;
        const expected = jobOf(aState(), { graph, accepted: true });
        const { state: told_ } = advance(expected, told({ tag: 'ended', outcome, outputs }));
        expect(state).toMatchObject({ status: told_.status });
        // A failure is told at once, with the outputs that were heard of.
        if (state.status === 'completed') expect(ofNodes(state)).toEqual(ofNodes(told_));
        else expect(ofNodes(told_)).toEqual(expect.arrayContaining([...ofNodes(state)]));
        expect(state.failure?.kind).toBe(told_.failure?.kind);
      }),
      { numRuns: runs(240) },
    );
  });
});

/** Looks of a fuzz may tell another graph each: whose node an expansion's is, its id says as well. */
const ofNodes = ({ outputs = [] }: JobState) =>
  outputs.map((output) => ({ ...output, nodeId: output.nodeId.replace(/\..*$/, '') }));
