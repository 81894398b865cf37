import { defer, map, mergeMap, range, repeat } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { aState } from '../a-state';

/** A process of its own that writes until it is killed, and prints each write that was acknowledged: "job seq". */
const [directory = '', prefix = '', how] = process.argv.slice(2);
const store = embeddedStore({ directory, report: (where, error) => console.error(where, error) });
let last = 0;

const write = defer(() => {
  const state = aState({ promptId: `${prefix}${++last % 50}`, seq: last });
  return store.put(state).pipe(map((outcome) => ({ ...state, outcome })));
});

// Sixteen at a time, each once there is room for it: a list of all would cost more than the writes.
range(0, 16)
  .pipe(mergeMap(() => write.pipe(repeat())))
  .subscribe({
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
