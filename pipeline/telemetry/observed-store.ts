import { tap, type Observable } from 'rxjs';
import type { JobStore, PutOutcome } from '../../sinks/job-store';
import type { Leases } from '../../sinks/leases';
import { traced } from './spans';
import type { CallOutcome, Telemetry } from './telemetry-event';
import { timed } from './timed';

const LEASES = ['hold', 'release', 'note', 'orphans', 'ask'] as const satisfies readonly (keyof Leases)[];
const STORE = [
  ...(['get', 'workflow', 'workflows', 'refile', 'page', 'live', 'liveOf', 'usage'] as const),
  ...(['keepFile', 'file', 'remove', 'reserve', 'amend', 'learned', 'learn'] as const),
] as const satisfies readonly (keyof JobStore)[];

/** A span around each write of a state. */
export const tracedWrites = (store: Pick<JobStore, 'put' | 'get'>): Pick<JobStore, 'put' | 'get'> => ({
  put: (state, workflow) =>
    store.put(state, workflow).pipe(traced('jobstream.write', { 'jobstream.status': state.status })),
  get: (promptId) => store.get(promptId),
});

/** The store; also tells `tell` how each call ended, how long it took, and how late the feed's states come. */
export function observedStore(store: JobStore, tell: Telemetry): JobStore {
  const stale = (outcome: PutOutcome): void => {
    if (outcome === 'stale') tell({ tag: 'storeStale' });
  };
  const put = (outcome: CallOutcome, ms: number): void => tell({ tag: 'storeCalled', operation: 'put', outcome, ms });
  return {
    ...bound(store),
    ...timedCalls(store, STORE, '', tell),
    put: (state, workflow) => store.put(state, workflow).pipe(timed(put, stale)),
    leases: { ...bound(store.leases), ...timedCalls(store.leases, LEASES, 'leases.', tell) },
    changes: (promptId) => {
      const since = Date.now();
      // A feed that opens anew may first emit a state stored before: its age is no delay.
      const isNew = (updatedAt: number): boolean => updatedAt >= since;
      const delayed = (at: number): void => tell({ tag: 'fed', delayMs: Math.max(0, Date.now() - at) });
      return store.changes(promptId).pipe(tap(({ updatedAt }) => isNew(updatedAt) && delayed(updatedAt)));
    },
  };
}

/** A copy of an object with its own and inherited members, methods bound to the object. */
function bound<S extends object>(of: S): S {
  const names = new Set<string>();
  for (let at: object = of; at !== Object.prototype; at = Object.getPrototypeOf(at) as object)
    for (const name of Object.getOwnPropertyNames(at)) if (name !== 'constructor') names.add(name);
  const valueOf = (name: string): unknown => {
    const value: unknown = Reflect.get(of, name);
    return typeof value === 'function' ? (value.bind(of) as unknown) : value;
  };
  return Object.fromEntries([...names].map((name) => [name, valueOf(name)])) as S;
}

type Call = (...given: readonly never[]) => Observable<unknown>;

/** The named methods of a store, each call timed. */
function timedCalls<S, K extends keyof S & string>(
  of: S,
  names: readonly K[],
  prefix: string,
  tell: Telemetry,
): Pick<S, K> {
  const calls = of as Record<K, Call>;
  const timedCall =
    (name: K): Call =>
    (...given) =>
      calls[name](...given).pipe(
        timed((outcome, ms) => tell({ tag: 'storeCalled', operation: `${prefix}${name}`, outcome, ms })),
      );
  return Object.fromEntries(names.map((name) => [name, timedCall(name)])) as unknown as Pick<S, K>;
}
