import { EMPTY, defer, type Observable } from 'rxjs';
import type { JobStore } from '../../sinks/job-store';

/** How many pipelines of this process have a store. */
const holders = new WeakMap<JobStore, number>();

/** Counts one more pipeline on the store. The returned function closes the store if no other pipeline still uses it. */
export function holdStore(store: JobStore): () => Observable<unknown> {
  holders.set(store, (holders.get(store) ?? 0) + 1);
  return () =>
    defer(() => {
      const left = (holders.get(store) ?? 1) - 1;
      holders.set(store, left);
      return left > 0 ? EMPTY : store.close();
    });
}
