import { remember } from '../../../maps/remember';

/** What ran: workflows of a kind differ in their seeds alone, and those of a heat in nothing that is cached for them either. */
export interface Ran {
  readonly kind: string;
  readonly heat: string;
  /** Whether nothing was cached. */
  readonly isCold: boolean;
}

/** How long runs on one server took, ours and strangers', as far as both ends were seen. Bounded: what was not seen for longest is forgotten first. */
export interface Observed {
  /** Grows with all that is seen. */
  readonly count: () => number;
  /** A run took so long; `undefined` where nobody told what ran. */
  readonly took: (run: Ran | undefined, ms: number, isOurs: boolean) => void;
  /** What the last runs of this heat took. */
  readonly ofHeat: (heat: string) => readonly number[];
  /** The middle one of the last runs of this kind. */
  readonly ofKind: (kind: string) => (Ran & { readonly ms: number }) | undefined;
  /** What a run takes of which nothing else is known: the middle of strangers' runs, else of all. */
  readonly usual: () => number | undefined;
  /** Which nodes were cached the last time a workflow of this kind came after its like. */
  readonly cachedOf: (kind: string) => ReadonlySet<string> | undefined;
  readonly wereCached: (kind: string, ids: ReadonlySet<string>) => void;
}

/** Runs remembered of a heat: the middle of three is moved by no single one. */
const OF_HEAT = 3;
const OF_SERVER = 15;
const MOST_KINDS = 200;

export function observed(): Observed {
  const byHeat = new Map<string, readonly number[]>();
  const byKind = new Map<string, readonly (Ran & { readonly ms: number })[]>();
  const cached = new Map<string, ReadonlySet<string>>();
  let [strangers, all]: (readonly number[])[] = [[], []];
  let count = 0;
  return {
    count: () => count,
    took: (run, ms, isOurs) => {
      if (!(ms >= 0)) return;
      count += 1;
      all = [...(all ?? []), ms].slice(-OF_SERVER);
      if (!isOurs) strangers = [...(strangers ?? []), ms].slice(-OF_SERVER);
      if (run === undefined) return;
      remember(byHeat, run.heat, [...(byHeat.get(run.heat) ?? []), ms].slice(-OF_HEAT), MOST_KINDS);
      remember(byKind, run.kind, [...(byKind.get(run.kind) ?? []), { ...run, ms }].slice(-OF_HEAT), MOST_KINDS);
    },
    ofHeat: (heat) => byHeat.get(heat) ?? [],
    ofKind: (kind) => {
      const sorted = [...(byKind.get(kind) ?? [])].sort((a, b) => a.ms - b.ms);
      return sorted[(sorted.length - 1) >> 1];
    },
    usual: () => middleOf(strangers?.length === 0 ? (all ?? []) : (strangers ?? [])),
    cachedOf: (kind) => cached.get(kind),
    wereCached: (kind, ids) => {
      remember(cached, kind, ids, MOST_KINDS);
      count += 1;
    },
  };
}

/** The middle of some times, of an even number the geometric mean of the two there; `undefined` of none. */
export function middleOf(times: readonly number[]): number | undefined {
  const sorted = [...times].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? undefined : Math.sqrt(low * high);
}
