import { bounds } from '../../streams/bounds';
import type { Report } from '../../streams/operators/reporting';

/** An error about the value under one key. */
type Unreadable = Error & { readonly key: string };

/** Reports an unreadable key once, as each read meets the same value again; of 1,000 keys (`bounds.unreadableKeys`). */
export function toldOnce(where: string, report: Report): (unreadable: Unreadable) => void {
  const told = new Set<string>();
  return (unreadable) => {
    if (told.has(unreadable.key)) return;
    if (told.size >= bounds.unreadableKeys) told.clear();
    told.add(unreadable.key);
    report(where, unreadable);
  };
}
