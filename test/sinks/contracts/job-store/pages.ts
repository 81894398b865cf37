import { lastValueFrom, mergeMap, range } from 'rxjs';
import { cursorAt, InvalidCursor, type JobFilter, type JobQuery } from '../../../../sinks/listing/job-page';
import { bounds } from '../../../../streams/bounds';
import type { JobState } from '../../../../streams/job/job-state';
import { aState } from '../../a-state';
import { idsOf, type OpenedStore } from './opened-store';

/** Whatever store: the pages of its lists, newest first, by filter, with their totals. */
export function thePages(opened: OpenedStore): void {
  const { put, page, list, remove } = opened;

  describe('a page', () => {
    const many = (count: number, own: (i: number) => Partial<JobState>) =>
      lastValueFrom(
        range(0, count).pipe(mergeMap((i) => opened.store.put(aState({ promptId: `job-${i}`, ...own(i) })), 32)),
      );
    const walked = async (query: Partial<JobQuery>) => {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const some = await page({ ...query, ...(cursor !== undefined && { cursor }) });
        found.push(...some.jobs.map(({ promptId }) => promptId));
        cursor = some.cursor;
      } while (cursor !== undefined);
      return found;
    };

    it('follows a page, the newest first, until every job was given once, those of one millisecond too', async () => {
      await many(60, (i) => ({
        startedAt: 1000 + Math.floor(i / 7),
        status: (['queued', 'processing', 'failed'] as const)[i % 3] ?? 'queued',
      }));
      const all = (await page()).jobs;
      expect(all.map(({ startedAt }) => startedAt)).toEqual(
        all.map(({ startedAt }) => startedAt).sort((a, b) => b - a),
      );
      expect(all).toHaveLength(60);
      for (const limit of [1, 7, 59, 60, 61])
        expect(await walked({ limit })).toEqual(all.map(({ promptId }) => promptId));
    });

    it('goes on where it ended, whatever came or went meanwhile', async () => {
      await many(6, (i) => ({ startedAt: i }));
      const { jobs, cursor = '' } = await page({ limit: 3 });
      await many(1, () => ({ promptId: 'newer', startedAt: 9 }));
      await remove('job-3');
      await put(aState({ promptId: 'job-4', startedAt: 4, seq: 2, status: 'completed' }));
      expect(jobs.map(({ promptId }) => promptId)).toEqual(['job-5', 'job-4', 'job-3']);
      expect((await page({ limit: 3, cursor })).jobs.map(({ promptId }) => promptId)).toEqual([
        'job-2',
        'job-1',
        'job-0',
      ]);
    });

    it('holds those of several statuses, of a character, of a time, or with a text', async () => {
      await put(aState({ promptId: 'a', startedAt: 10, status: 'queued', characterId: 'Mia' }));
      await put(aState({ promptId: 'b', startedAt: 20, status: 'processing', metadata: { name: 'Blue Hour', n: 7 } }));
      await put(aState({ promptId: 'c', startedAt: 30, status: 'failed', type: 'own-blue' }));
      const ids = async (filter: JobFilter) => (await list(filter)).map(({ promptId }) => promptId);
      expect(await ids({ status: ['failed', 'queued'] })).toEqual(['c', 'a']);
      expect(await ids({ status: [] })).toEqual([]);
      expect(await ids({ characterId: 'Mia' })).toEqual(['a']);
      expect(await ids({ since: 20 })).toEqual(['c', 'b']);
      expect(await ids({ until: 20 })).toEqual(['a']);
      expect(await ids({ since: 15, until: 30 })).toEqual(['b']);
      expect(await ids({ text: 'BLUE' })).toEqual(['c', 'b']);
      expect(await ids({ text: 'mia' })).toEqual(['a']);
      expect(await ids({ text: 'nowhere' })).toEqual([]);
    });

    it('finds what matches among many that do not', async () => {
      await many(700, (i) => ({ startedAt: i, type: i % 350 === 0 ? 'rare' : 'face_swap' }));
      expect(await walked({ type: 'rare', limit: 1 })).toEqual(['job-350', 'job-0']);
      expect(await walked({ text: 'job-699', limit: 5 })).toEqual(['job-699']);
    });

    it('[R17] tells how much was read for it, of jobs that do not match too', async () => {
      const metadata = { note: 'x'.repeat(1_000) };
      await many(20, (i) => ({ startedAt: i, metadata }));
      const { jobs, read = 0 } = await page({ text: 'nowhere', limit: 5 });
      expect(jobs).toEqual([]);
      expect(read).toBeGreaterThan(20_000);
      expect(read).toBeLessThan(60_000);
    });

    it('[R17] reads about what an answer holds of large jobs, and no search reads on without end', async () => {
      const metadata = { note: 'x'.repeat(bounds.metadataBytes - 20) };
      await many(700, (i) => ({ startedAt: i, metadata }));
      const plain = await page({ limit: 500 });
      expect(plain.read).toBeLessThan(2 * bounds.answerBytes);
      expect(await walked({ limit: 500 })).toEqual(Array.from({ length: 700 }, (_, i) => `job-${699 - i}`));
      const search = await page({ text: 'nowhere', limit: 5 });
      expect(search.read).toBeLessThan(bounds.pageReadBytes + 2 * bounds.answerBytes);
      expect(search).toMatchObject({ jobs: [], cursor: expect.any(String) as string });
    });

    it('shows a job by its id alone, and nobody else’s', async () => {
      await put(aState({ promptId: 'its-id', userId: 'ann' }));
      expect(await list({ text: 'its-id', userId: 'ann' })).toHaveLength(1);
      expect(await list({ text: 'its-id', userId: 'bob' })).toEqual([]);
    });

    it('counts by standing what its user has, whatever else was asked for', async () => {
      await put(aState({ promptId: 'a', userId: 'ann', status: 'queued' }));
      await put(aState({ promptId: 'b', userId: 'ann', status: 'processing' }));
      await put(aState({ promptId: 'b', userId: 'ann', status: 'completed', seq: 2 }));
      await put(aState({ promptId: 'c', userId: 'bob', status: 'failed' }));
      const totals = { queued: 1, processing: 0, completed: 1, failed: 0, cancelled: 0 };
      expect((await page({ userId: 'ann' })).totals).toEqual(totals);
      expect((await page({ userId: 'ann', status: ['failed'], text: 'x', limit: 1 })).totals).toEqual(totals);
      expect((await page()).totals).toEqual({ ...totals, failed: 1 });
      await remove('a');
      await remove('c');
      expect((await page()).totals).toEqual({ queued: 0, processing: 0, completed: 1, failed: 0, cancelled: 0 });
    });

    it('counts and lists what was cancelled by itself, not among what failed', async () => {
      const failure = { kind: 'cancelled', message: 'The job was cancelled.', retryable: false } as const;
      await put(aState({ promptId: 'a', startedAt: 1, seq: 1 }));
      await put(aState({ promptId: 'a', startedAt: 1, seq: 2, status: 'failed', failure }));
      await put(aState({ promptId: 'b', startedAt: 2, status: 'failed' }));
      await put(aState({ promptId: 'c', startedAt: 3, status: 'failed', failure }));
      const ids = async (filter: JobFilter) => (await list(filter)).map(({ promptId }) => promptId);
      expect((await page()).totals).toEqual({ queued: 0, processing: 0, completed: 0, failed: 1, cancelled: 2 });
      expect(await ids({ status: ['cancelled'] })).toEqual(['c', 'a']);
      expect(await ids({ status: ['failed'] })).toEqual(['b']);
      expect(await ids({ status: ['failed', 'cancelled'] })).toEqual(['c', 'b', 'a']);
      await remove('a');
      expect((await page()).totals).toMatchObject({ failed: 1, cancelled: 1 });
    });

    it.each(['x', '%%%', 'MTIz', 'WzEsMl0'])('refuses %j as a cursor', async (cursor) => {
      await expect(page({ cursor })).rejects.toThrow(InvalidCursor);
    });

    it('refuses a cursor whose id is longer than any job’s, and takes one of the longest', async () => {
      const at = (length: number) => cursorAt({ startedAt: 9e15, promptId: 'x'.repeat(length) });
      await put(aState());
      await expect(page({ cursor: at(bounds.promptIdBytes + 1) })).rejects.toThrow(InvalidCursor);
      expect((await page({ cursor: at(bounds.promptIdBytes) })).jobs).toHaveLength(1);
    });

    it.each(['a:b', '{}', 'ann}', '@', '../', 'ü 🎨', '\ud800', '*'])(
      'keeps jobs of the user %j apart',
      async (userId) => {
        await put(aState({ promptId: 'a', userId }));
        await put(aState({ promptId: 'b', userId: 'another' }));
        expect(idsOf(await list({ userId }))).toEqual(['a']);
        expect((await page({ userId })).totals.processing).toBe(1);
        expect(idsOf(await list())).toEqual(['a', 'b']);
      },
    );
  });
}
