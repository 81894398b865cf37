import { bounds } from '../../../streams/bounds';
import type { Report } from '../../../streams/operators/reporting';
import type { UnreadableState } from '../../job-store';

/** Reports an unreadable key once: each read meets the same value again. */
export function toldOnce(where: string, report: Report): (unreadable: UnreadableState) => void {
  const told = new Set<string>();
  return (unreadable) => {
    if (told.has(unreadable.key)) return;
    if (told.size >= bounds.unreadableKeys) told.clear();
    told.add(unreadable.key);
    report(where, unreadable);
  };
}
