import { isNewer, isSettled } from '../../../streams/job/job-state';
import type { Record, Sight } from '../watching/watching';

/** What must never happen to what one watcher sees of one job. */
export interface Violation {
  readonly by: string;
  readonly promptId: string;
  readonly what: string;
  readonly before: Sight;
  readonly after: Sight;
}

/** Whether (`epoch`, `seq`) grew with each state of one id, which never changed, progress never fell, and nothing came after the end. */
export function violations({ by, promptId, sights }: Record): readonly Violation[] {
  return sights.slice(1).flatMap((after, n) => {
    const before = sights[n]!;
    return wrongs(before, after).map((what) => ({ by, promptId, what, before, after }));
  });
}

function wrongs(before: Sight, after: Sight): readonly string[] {
  return [
    ...(after.promptId === before.promptId ? [] : ['went by another id']),
    ...(isNewer(after, before) ? [] : ['no newer than the one before']),
    ...(after.progress < before.progress ? ['progress fell'] : []),
    ...(isSettled(before) ? ['came after the end'] : []),
  ];
}

/** Jobs of which two watchers, or one twice, saw different ends. */
export function contradictions(records: readonly Record[]): readonly string[] {
  const ends = new Map<string, string>();
  return records.flatMap(({ promptId, sights }) => {
    const last = sights.at(-1);
    if (last === undefined || !isSettled(last)) return [];
    const before = ends.get(promptId) ?? last.status;
    ends.set(promptId, before);
    return before === last.status ? [] : [promptId];
  });
}
