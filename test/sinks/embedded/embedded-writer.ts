import { EMPTY, catchError, defer, lastValueFrom, map, mergeMap, of, range, repeat, take } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { aState } from '../a-state';

/**
 * A process of its own that writes until it is killed, and prints each write that was acknowledged: "job seq". One
 * `unheeding` waits for every other of its writes only, and ends when the disk has refused 20 of those.
 */
const [directory = '', prefix = '', how] = process.argv.slice(2);
const store = embeddedStore({ directory, report: (where, error) => console.error(where, error) });
let last = 0;

const write = defer(() => {
  const state = aState({ promptId: `${prefix}${++last % 50}`, seq: last });
  return store.put(state).pipe(map((outcome) => ({ ...state, outcome })));
});

const unheeded = (): void => {
  const state = aState({ promptId: `${prefix}${++last}`, metadata: { text: 'x'.repeat(9_000) } });
  store.put(state).subscribe().unsubscribe();
};

const refused = defer(() => {
  unheeded();
  return write.pipe(
    mergeMap(() => EMPTY),
    catchError(() => of('refused\n')),
  );
});

// Sixteen at a time, each once there is room for it: a list of all would cost more than the writes.
const written = range(0, 16).pipe(mergeMap(() => write.pipe(repeat())));
if (how === 'unheeding')
  refused.pipe(repeat(), take(20)).subscribe({
    next: (line) => process.stdout.write(line),
    complete: () => void lastValueFrom(store.close(), { defaultValue: undefined }),
  });
else
  written.subscribe({
    next: ({ promptId, seq, outcome }) => {
      process.stdout.write(`${promptId} ${seq} ${outcome}\n`);
      // At no turn in particular: a commit is under way.
      if (how === 'exit' && seq === 200) setTimeout(() => process.exit(3), 0);
    },
    error: (error: unknown) => {
      console.error(error);
      process.exitCode = 1;
    },
  });
