import type { SchedulerLike } from 'rxjs';
import type { Report } from '../../streams/operators/reporting';

/** How long between two reports of one kind, ms. */
const EVERY_MS = 1_000;

/** How many kinds are told apart in a second; all that come later in it count as one more. */
const MAX_KINDS = 64;

/**
 * Reports an error of each kind (its place and message) once a second at most, with the number of those left out
 * before.
 */
export function throttledReport(report: Report, clock: SchedulerLike): Report {
  const kinds = new Map<string, { readonly at: number; readonly leftOut: number }>();
  return (where, error, ...about) => {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const known = `${where} ${name} ${message}`.slice(0, 300);
    const now = clock.now();
    if (kinds.size >= MAX_KINDS && !kinds.has(known))
      for (const [quiet, { at }] of kinds) if (!isLately(at, now)) kinds.delete(quiet);
    const kind = kinds.has(known) || kinds.size < MAX_KINDS ? known : 'others';
    const last = kinds.get(kind);
    if (last !== undefined && isLately(last.at, now)) {
      kinds.set(kind, { ...last, leftOut: last.leftOut + 1 });
      return;
    }
    kinds.set(kind, { at: now, leftOut: 0 });
    report(where, last === undefined || last.leftOut === 0 ? error : withCount(error, last.leftOut), ...about);
  };
}

/** Also if the clock was set back since: it would silence a kind until it is where it was. */
const isLately = (at: number, now: number): boolean => Math.abs(now - at) < EVERY_MS;

function withCount(error: unknown, leftOut: number): unknown {
  if (!(error instanceof Error)) return error;
  const counted = new Error(`${error.message} (and ${leftOut} more like it before)`, { cause: error.cause });
  counted.name = error.name;
  return counted;
}
