import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { cold, schedule } from 'jest-marbles';
import { switchMap, timer } from 'rxjs';
import type { JobState } from '../../../streams/job/job-state';
import { watchers, type Watchers } from '../../../streams/operators/keyed-watchers';
import { aState } from '../job/a-job';

const values = {
  a: aState({ promptId: 'a' }),
  b: aState({ promptId: 'b' }),
  A: aState({ promptId: 'a', seq: 2 }),
  x: aState({ promptId: 'x' }),
};

/** Watchers that are told these states at these times. */
function told(marbles: string): Watchers {
  const watched = watchers();
  Array.from(marbles.trim()).forEach((state, at) => {
    if (state in values) schedule(() => watched.tell(values[state as keyof typeof values]), at);
  });
  return watched;
}

test('[R5] a watcher sees its own job’s states', () => {
  const watched = told('       -a-b-A-b-');
  const expected$ = cold('     -a---A---', values);
  const expectedOf$ = cold('   ---b---b-', values);
  expect(watched.changes('a')).toBeObservable(expected$);
  expect(watched.changes('b')).toBeObservable(expectedOf$);
});

test('every watcher of a job sees each state', () => {
  const watched = told('  -a-A-');
  const expected$ = cold('-a-A-', values);
  expect(watched.changes('a')).toBeObservable(expected$);
  expect(watched.changes('a')).toBeObservable(expected$);
});

test('a job that goes by another id keeps its watchers', () => {
  const watched = told('  -a-x-a-');
  schedule(() => watched.rename('a', 'x'), 2);
  const expected$ = cold('-a-x---', values);
  expect(watched.changes('a')).toBeObservable(expected$);
});

test('a job without watchers goes by another id all the same', () => {
  const watched = told('  --x-');
  watched.rename('a', 'x');
  expect(watched.changes('x')).toBeObservable(cold('--x-', values));
});

test('those who watch the other id already keep watching it', () => {
  const watched = told('  -x-x-');
  schedule(() => watched.rename('a', 'x'), 2);
  expect(watched.changes('a')).toBeObservable(cold('---x-', values));
  expect(watched.changes('x')).toBeObservable(cold('-x-x-', values));
});

test('a released job’s watchers are done, and another may watch it anew', () => {
  const watched = told('  -a-A-a-');
  schedule(() => watched.release('a'), 2);
  expect(watched.changes('a')).toBeObservable(cold('-a|', values));
  const anew$ = timer(4).pipe(switchMap(() => watched.changes('a')));
  expect(anew$).toBeObservable(cold('-----a-', values));
});

test('who left is told nothing, others are', () => {
  const watched = watchers();
  const seen: string[] = [];
  const leaving = watched.changes('a').subscribe(() => seen.push('leaving'));
  watched.changes('a').subscribe(() => seen.push('staying'));
  watched.tell(values.a);
  leaving.unsubscribe();
  watched.tell(values.A);
  expect(seen).toEqual(['leaving', 'staying', 'staying']);
});

test('who leaves on what it is told harms nobody', () => {
  const watched = watchers();
  const seen: JobState[] = [];
  const once = watched.changes('a').subscribe(() => once.unsubscribe());
  watched.changes('a').subscribe((state) => seen.push(state));
  watched.tell(values.a);
  watched.tell(values.A);
  expect(seen).toEqual([values.a, values.A]);
});

test('a renamed job whose watchers have left leaves nothing behind', () => {
  const watched = watchers();
  const old = watched.changes('a').subscribe();
  watched.rename('a', 'x');
  old.unsubscribe();
  const seen: JobState[] = [];
  watched.changes('x').subscribe((state) => seen.push(state));
  watched.tell(values.x);
  expect(seen).toEqual([values.x]);
});

test('a hundred thousand watchers that came and went leave nothing behind', () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const heap = (): number => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const watched = watchers();
  const come = (promptId: string): void => watched.changes(promptId).subscribe().unsubscribe();
  watched.changes('kept').subscribe();
  come('warm');
  const before = heap();
  for (let watcher = 0; watcher < 100_000; watcher++) come(watcher % 2 === 0 ? 'kept' : String(watcher));
  expect(heap() - before).toBeLessThan(4 << 20);
});
