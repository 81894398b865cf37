import fc from 'fast-check';
import { from } from 'rxjs';
import { isSettled, runIdOf, type JobState, type RetryPolicy } from '../../../../../streams/job/job-state';
import { neverBackward } from '../../../../../streams/operators/never-backward';
import { anyFact } from '../../arbitrary-events';
import { runs } from '../../../../support/jest/runs';
import { abandoned, broke, ended } from '../../facts';
import { aRetried } from './a-retried';

describe('whatever comes', () => {
  const retry = fc.record(
    { maxAttempts: fc.integer({ min: 1, max: 4 }), onLost: fc.constant('resubmit' as const) },
    { requiredKeys: ['maxAttempts'] },
  );
  /** Facts of the job’s runs, of the present one mostly, and of its session. */
  const told = fc.array(
    fc.tuple(
      fc.oneof(
        { weight: 4, arbitrary: fc.constant('present') },
        { weight: 2, arbitrary: fc.constantFrom('p', 'r2', 'r3', 'x') },
      ),
      fc.oneof(
        { weight: 12, arbitrary: anyFact },
        { weight: 2, arbitrary: fc.constantFrom(broke('out_of_memory'), ended('out_of_memory'), abandoned) },
        { weight: 1, arbitrary: fc.constant('socket' as const) },
      ),
      fc.nat(6_000),
    ),
    { maxLength: 60 },
  );
  const life = (policy: RetryPolicy, events: typeof told extends fc.Arbitrary<infer E> ? E : never) => {
    const kit = aRetried(policy);
    let open = true;
    for (const [whose, fact, wait] of events) {
      const at = kit.later(wait);
      const present = kit.board.job('p')?.state;
      if (fact === 'socket') {
        open = !open;
        kit.take(open ? { tag: 'linked', clientId: 'c', at } : { tag: 'unlinked', clientId: 'c', at, clean: false });
      } else kit.told(whose === 'present' && present !== undefined ? runIdOf(present) : whose, fact);
    }
    return kit;
  };
  const property = (name: string, check: (kit: ReturnType<typeof aRetried>, policy: RetryPolicy) => void): void =>
    test(name, () => {
      fc.assert(
        fc.property(retry, told, (policy, events) => check(life(policy, events), policy)),
        { numRuns: runs(160) },
      );
    });
  const pairs = (states: readonly JobState[]): [JobState, JobState][] =>
    states.slice(1).map((state, index) => [states[index]!, state]);

  property('[R1] a settled job never changes', ({ states, board }) => {
    const settled = states().findIndex(isSettled);
    if (settled < 0) return;
    expect(settled).toBe(states().length - 1);
    expect(board.jobs.size).toBe(0);
  });

  property('[R2] progress never falls from one run to the next, and is 100 when completed only', ({ states }) => {
    expect(pairs(states()).filter(([before, after]) => after.progress < before.progress)).toEqual([]);
    expect(states().filter(({ status, progress }) => (progress === 100) !== (status === 'completed'))).toEqual([]);
  });

  property('each run that is to be made is said once, and is one attempt on', ({ states, reruns }, { maxAttempts }) => {
    const attempts = states().map(({ attempt }) => attempt);
    expect(attempts).toEqual([...attempts].sort((a, b) => a - b));
    expect(reruns()).toHaveLength(attempts.at(-1)! - 1);
    expect(attempts.at(-1)).toBeLessThanOrEqual(maxAttempts);
  });

  property('`seq` grows by one, and what a watcher sees is all of it', ({ states }) => {
    expect(pairs(states()).filter(([before, after]) => after.seq !== before.seq + 1)).toEqual([]);
    const seen: JobState[] = [];
    from(states())
      .pipe(neverBackward())
      .subscribe((state) => seen.push(state));
    expect(seen).toEqual(states());
  });

  property('a job is found by its present run’s id and by no other', ({ board, last }) => {
    for (const id of ['p', 'r2', 'r3', 'x']) {
      const job = board.run(id);
      if (job !== undefined) expect(runIdOf(job.state)).toBe(id);
    }
    if (!isSettled(last())) expect(board.run(runIdOf(last()))?.state.promptId).toBe('p');
  });
});
