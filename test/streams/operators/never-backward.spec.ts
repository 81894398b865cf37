import { cold } from 'jest-marbles';
import { TestScheduler } from 'rxjs/testing';
import { neverBackward } from '../../../streams/operators/never-backward';
import { aState } from '../job/a-job';

const at = (epoch: number, seq: number, more = {}) => aState({ epoch, seq, ...more });
const values = {
  a: at(1, 1),
  b: at(1, 2),
  c: at(1, 3, { status: 'processing' as const }),
  n: at(2, 1),
  d: at(1, 4, { status: 'completed' as const, progress: 100 }),
  e: at(9, 9),
};

test('drops what was seen already', () => {
  const state$ = cold('   -a-b-b-a-c', values);
  const expected$ = cold('-a-b-----c', values);
  expect(state$.pipe(neverBackward())).toBeObservable(expected$);
});

test('[R11] follows a new owner, and the old one no longer', () => {
  const state$ = cold('   -a-n-b-c-d', values);
  const expected$ = cold('-a-n------', values);
  expect(state$.pipe(neverBackward())).toBeObservable(expected$);
});

test('[R2] a new owner that knows less does not take progress back', () => {
  const states = {
    a: at(1, 5, { status: 'processing' as const, progress: 60 }),
    q: at(2, 1, { status: 'queued' as const, progress: 20 }),
    b: at(2, 2, { status: 'processing' as const, progress: 40 }),
    c: at(2, 3, { status: 'processing' as const, progress: 70 }),
  };
  const state$ = cold('   -a-q-b-c', states);
  const expected$ = cold('-a---b-c', { ...states, b: { ...states.b, progress: 60 } });
  expect(state$.pipe(neverBackward())).toBeObservable(expected$);
});

test('a job that waits for its next run is shown as waiting', () => {
  const states = {
    a: at(1, 5, { status: 'processing' as const, progress: 60 }),
    q: at(1, 6, { status: 'queued' as const, progress: 60, attempt: 2 }),
  };
  const state$ = cold('   -a-q', states);
  expect(state$.pipe(neverBackward())).toBeObservable(cold('-a-q', states));
});

test('[R1] completes with the settled state: nothing follows it', () => {
  const state$ = cold('   -a-d-e-', values);
  const expected$ = cold('-a-(d|)', values);
  expect(state$.pipe(neverBackward())).toBeObservable(expected$);
});

test('a job that had settled before is told as that', () => {
  const state$ = cold('   -d-', values);
  const expected$ = cold('-(d|)', values);
  expect(state$.pipe(neverBackward())).toBeObservable(expected$);
});

test('an error passes', () => {
  const state$ = cold('   -a-#', values, 'no such job');
  const expected$ = cold('-a-#', values, 'no such job');
  expect(state$.pipe(neverBackward())).toBeObservable(expected$);
});

test('gives its source up once settled, or when nobody watches', () => {
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(
    ({ hot, expectObservable, expectSubscriptions }) => {
      const settling$ = hot('-a-d-e-', values);
      expectObservable(settling$.pipe(neverBackward()));
      expectSubscriptions(settling$.subscriptions).toBe('^--!');
      const live$ = hot('    -a-b-c-', values);
      expectObservable(live$.pipe(neverBackward()), '    ^---!').toBe('-a-b', values);
      expectSubscriptions(live$.subscriptions).toBe('    ^---!');
    },
  );
});

test('two watchers remember for themselves', () => {
  const state$ = cold('   -a-b-(a|)', values).pipe(neverBackward());
  const expected$ = cold('-a-b-|', values);
  expect(state$).toBeObservable(expected$);
  expect(state$).toBeObservable(expected$);
});
