import { lastValueFrom, of, throwError, toArray } from 'rxjs';
import { lettingGo } from '../../../../pipeline/sessions/recovered-jobs';
import { StoreUnavailable } from '../../../../sinks/job-store';
import type { JobState } from '../../../../streams/job/job-state';
import { aState } from '../../../streams/job/a-job';

const HOUR = 3_600_000;

/** What is demanded of jobs whose session was lost, and which of them are stored again. */
async function letGo(heldMsAgo: number, stored: Readonly<Record<string, JobState | Error | undefined>>) {
  const rescued: string[] = [];
  const jobs = Object.keys(stored).map((promptId) => ({ state: aState({ promptId, epoch: 5 }) }));
  const get = (promptId: string) => {
    const found = stored[promptId];
    return found instanceof Error ? throwError(() => found) : of(found);
  };
  const demands = await lastValueFrom(
    lettingGo(jobs, heldMsAgo, {
      store: { get },
      writer: { rescue: ({ promptId }) => void rescued.push(promptId) },
    }).pipe(toArray()),
  );
  return { demands, rescued };
}

const of5 = (epoch: number): JobState => aState({ promptId: 'x', epoch });

test('the jobs of a lost session are let go; those that the store lacks, or nobody has claimed, are stored again', async () => {
  const stored = {
    gone: undefined,
    ours: of5(5),
    older: of5(4),
    claimed: of5(6),
    unknown: new StoreUnavailable('away'),
  };
  const { demands, rescued } = await letGo(10_000, stored);
  expect(demands).toEqual(Object.keys(stored).map((promptId) => ({ tag: 'letGo', promptId })));
  expect(rescued).toEqual(['gone', 'ours', 'older', 'unknown']);
});

test.each([
  [0, ['a']],
  [HOUR, ['a']],
  [HOUR + 1, []],
  [-1, []],
])('what a store may have dropped by itself is not stored again: held %d ms ago', async (heldMsAgo, expected) => {
  const { demands, rescued } = await letGo(heldMsAgo, { a: undefined });
  expect([demands, rescued]).toEqual([[{ tag: 'letGo', promptId: 'a' }], expected]);
});
