import { lastValueFrom, toArray } from 'rxjs';
import type { LearnedEntry } from '../../../../streams/job/progress/learned/learned';
import type { StoredWorkflow } from '../../../../sinks/codecs/stored-workflow.codec';
import { aState } from '../../a-state';
import { idsOf, type OpenedStore } from './opened-store';

/** Whatever store: its unsettled jobs, of all, of each session and of each user; and what was learnt from those that ended. */
export function theLiveJobs(opened: OpenedStore): void {
  const { put, page, remove } = opened;

  describe('the live jobs', () => {
    const live = async () => idsOf(await lastValueFrom(opened.store.live().pipe(toArray())));
    const liveOf = async (clientId: string) =>
      idsOf(await lastValueFrom(opened.store.liveOf(clientId).pipe(toArray())));

    it('are those that have not ended, of all and of each session', async () => {
      await put(aState({ promptId: 'a', clientId: 's' }));
      await put(aState({ promptId: 'b', clientId: 's' }));
      await put(aState({ promptId: 'b', clientId: 's', seq: 2, status: 'completed' }));
      await put(aState({ promptId: 'c', clientId: 't', session: 's' }));
      await put(aState({ promptId: 'd', clientId: 't' }));
      expect(await live()).toEqual(['a', 'c', 'd']);
      expect(await liveOf('s')).toEqual(['a', 'c']);
      expect(await liveOf('t')).toEqual(['d']);
      expect(await liveOf('nobody')).toEqual([]);
      await remove('d');
      expect(await live()).toEqual(['a', 'c']);
      expect(await liveOf('t')).toEqual([]);
    });

    it('[R17] are given without those that are known already', async () => {
      await put(aState({ promptId: 'a', clientId: 's' }));
      await put(aState({ promptId: 'b', clientId: 's' }));
      const isKnown = (promptId: string): boolean => promptId === 'a';
      expect(idsOf(await lastValueFrom(opened.store.live(isKnown).pipe(toArray())))).toEqual(['b']);
      expect(idsOf(await lastValueFrom(opened.store.liveOf('s', isKnown).pipe(toArray())))).toEqual(['b']);
    });

    it('go with a job to its next session', async () => {
      await put(aState({ clientId: 's', seq: 1 }));
      await put(aState({ clientId: 't', seq: 2 }));
      expect(await liveOf('s')).toEqual([]);
      expect(await liveOf('t')).toEqual(['job-1']);
    });

    it('are not changed by a state that is refused', async () => {
      await put(aState({ clientId: 's', epoch: 7 }));
      expect(await put(aState({ clientId: 's', epoch: 6, status: 'completed' }))).toBe('stale');
      expect(await liveOf('s')).toEqual(['job-1']);
      expect((await page()).totals).toMatchObject({ processing: 1, completed: 0 });
    });
  });

  describe('what a user has', () => {
    const usage = (userId: string, besides?: readonly string[]) => lastValueFrom(opened.store.usage(userId, besides));
    const stored = (text: string): StoredWorkflow => ({ tag: 'whole', prompt: { workflow: text } });
    const bytesOf = (kept: StoredWorkflow) => Buffer.byteLength(kept.prompt.workflow);

    it('is unsettled jobs and the bytes of their workflows', async () => {
      const [large, small] = [stored(`"${'ü'.repeat(500)}"`), stored('{}')];
      expect(await usage('ann')).toEqual({ jobs: 0, bytes: 0 });
      await lastValueFrom(opened.store.put(aState({ promptId: 'a' }), large));
      await lastValueFrom(opened.store.put(aState({ promptId: 'b' }), large));
      await put(aState({ promptId: 'c' }));
      await lastValueFrom(opened.store.put(aState({ promptId: 'd', userId: 'bob' }), large));
      expect(await usage('ann')).toEqual({ jobs: 3, bytes: 2 * bytesOf(large) });
      await lastValueFrom(opened.store.put(aState({ promptId: 'a', seq: 2 }), small));
      expect(await usage('ann')).toEqual({ jobs: 3, bytes: bytesOf(large) + bytesOf(small) });
      await put(aState({ promptId: 'b', seq: 2, status: 'failed' }));
      await remove('c');
      expect(await usage('ann')).toEqual({ jobs: 1, bytes: bytesOf(small) });
    });

    it('has the bytes that a workflow and its extra data have before they are packed', async () => {
      const prompt = { workflow: `"${'x'.repeat(200_000)}"`, extraData: `{"note": "${'ü'.repeat(100)}"}` };
      await lastValueFrom(opened.store.put(aState(), { tag: 'unposted', prompt }));
      const bytes = 200_002 + 212;
      expect(await usage('ann')).toEqual({ jobs: 1, bytes });
      await put(aState({ seq: 2 }));
      expect(await usage('ann')).toEqual({ jobs: 1, bytes });
    });

    it('is counted without the jobs that the caller counts itself', async () => {
      for (const [promptId, userId] of [
        ['a', 'ann'],
        ['b', 'ann'],
        ['c', 'bob'],
        ['d', 'ann'],
      ] as const)
        await lastValueFrom(opened.store.put(aState({ promptId, userId }), stored('{}')));
      await put(aState({ promptId: 'd', seq: 2, status: 'failed' }));
      expect(await usage('ann', ['a', 'c', 'd', 'nobody'])).toEqual({ jobs: 1, bytes: 2 });
      expect(await usage('ann', ['a', 'b'])).toEqual({ jobs: 0, bytes: 0 });
    });
  });

  it('keeps what was learnt by key, for all who ask, until it is forgotten', async () => {
    const learn = (...entries: readonly LearnedEntry[]) =>
      lastValueFrom(opened.store.learn(entries), { defaultValue: 'nothing' });
    const learnt = async () => new Map(await lastValueFrom(opened.store.learned()));
    expect(await learnt()).toEqual(new Map());
    expect(await learn(['n1:ä', '[1]'], ['c:KSampler', '[2]'])).toBe('nothing');
    await learn(['n1:ä', '[3]'], ['n2', '[4]']);
    await learn(['c:KSampler', undefined], ['unknown', undefined]);
    expect(await learnt()).toEqual(
      new Map([
        ['n1:ä', '[3]'],
        ['n2', '[4]'],
      ]),
    );
    expect((await lastValueFrom(opened.store.page({ limit: 10 }))).jobs).toEqual([]);
  });
}
