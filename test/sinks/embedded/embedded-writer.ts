import { from, map, mergeMap, range } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { aState } from '../a-state';

/** A process of its own that writes until it is killed, and prints each write that was acknowledged: "job seq". */
const [directory = '', prefix = '', how] = process.argv.slice(2);
const store = embeddedStore({ directory, report: (where, error) => console.error(where, error) });

range(1, 1_000_000)
  .pipe(
    map((seq) => aState({ promptId: `${prefix}${seq % 50}`, seq })),
    mergeMap((state) => from(store.put(state)).pipe(map((outcome) => ({ ...state, outcome }))), 16),
  )
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
