import type { JobStanding, JobState } from '../../../streams/job/job-state';

/** The standing under which one owner's sets have a job. */
export type Filing = readonly [promptId: string, standing: JobStanding];

/** The standing of each job; `undefined` if the sets of its two owners differ. */
export function agreed(filings: readonly Filing[]): ReadonlyMap<string, JobStanding | undefined> {
  const standings = new Map<string, JobStanding | undefined>();
  for (const [promptId, standing] of filings)
    standings.set(promptId, standings.has(promptId) && standings.get(promptId) !== standing ? undefined : standing);
  return standings;
}

/** Groups states by key; a state is in the group of each of its keys. */
export function grouped(
  states: readonly JobState[],
  keysOf: (state: JobState) => readonly string[],
): readonly (readonly [key: string, states: readonly JobState[]])[] {
  const groups = new Map<string, JobState[]>();
  for (const state of states)
    for (const key of keysOf(state)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [state]);
      else group.push(state);
    }
  return [...groups];
}
