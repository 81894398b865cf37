import { bounds } from '../../../streams/bounds';
import type { Report } from '../../../streams/operators/reporting';
import type { UnreadableState } from '../../job-store';

/** Reports what is unreadable under a key once: the same garbage is met at every look. */
export function toldOnce(where: string, report: Report): (unreadable: UnreadableState) => void {
  const told = new Set<string>();
  return (unreadable) => {
    if (told.has(unreadable.key)) return;
    if (told.size >= bounds.unreadableKeys) told.clear();
    told.add(unreadable.key);
    report(where, unreadable);
  };
}
