import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { cold, schedule } from 'jest-marbles';
import { switchMap, timer } from 'rxjs';
import type { JobState } from '../../../streams/job/job-state';
import { watchers, type Watchers } from '../../../streams/maps/keyed-watchers';
import { aState } from '../job/a-job';

const values = {
  a: aState({ promptId: 'a' }),
  b: aState({ promptId: 'b' }),
  A: aState({ promptId: 'a', seq: 2 }),
};

/** Watchers that are told these states at these times. */
function told(marbles: string): Watchers<JobState> {
  const watched = watchers<JobState>();
  Array.from(marbles.trim()).forEach((state, at) => {
    if (state in values) {
      const value = values[state as keyof typeof values];
      schedule(() => watched.tell(value.promptId, value), at);
    }
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

test('a released job’s watchers are done, and another may watch it anew', () => {
  const watched = told('  -a-A-a-');
  schedule(() => watched.release('a'), 2);
  expect(watched.changes('a')).toBeObservable(cold('-a|', values));
  const anew$ = timer(4).pipe(switchMap(() => watched.changes('a')));
  expect(anew$).toBeObservable(cold('-----a-', values));
});

test('who left is told nothing, others are', () => {
  const watched = watchers<JobState>();
  const seen: string[] = [];
  const leaving = watched.changes('a').subscribe(() => seen.push('leaving'));
  watched.changes('a').subscribe(() => seen.push('staying'));
  watched.tell('a', values.a);
  leaving.unsubscribe();
  watched.tell('a', values.A);
  expect(seen).toEqual(['leaving', 'staying', 'staying']);
});

test('who leaves on what it is told harms nobody', () => {
  const watched = watchers<JobState>();
  const seen: JobState[] = [];
  const once = watched.changes('a').subscribe(() => once.unsubscribe());
  watched.changes('a').subscribe((state) => seen.push(state));
  watched.tell('a', values.a);
  watched.tell('a', values.A);
  expect(seen).toEqual([values.a, values.A]);
});

test('a hundred thousand watchers that came and went leave nothing behind', () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const heap = (): number => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const watched = watchers<JobState>();
  const come = (promptId: string): void => watched.changes(promptId).subscribe().unsubscribe();
  watched.changes('kept').subscribe();
  come('warm');
  const before = heap();
  for (let watcher = 0; watcher < 100_000; watcher++) come(watcher % 2 === 0 ? 'kept' : String(watcher));
  expect(heap() - before).toBeLessThan(4 << 20);
});

test('who watches when all is closed is done, and so is who comes later', () => {
  const watched = told('  -a-A-');
  schedule(() => watched.close(), 2);
  expect(watched.changes('a')).toBeObservable(cold('-a|', values));
  const late$ = timer(4).pipe(switchMap(() => watched.changes('a')));
  expect(late$).toBeObservable(cold('----|'));
});
