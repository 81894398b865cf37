import { lastValueFrom } from 'rxjs';
import { StoreUnavailable } from '../../../../sinks/job-store';
import type { StoredWorkflow } from '../../../../sinks/codecs/stored-workflow.codec';
import type { JobState } from '../../../../streams/job/job-state';
import { aState } from '../../a-state';
import type { OpenedStore } from './opened-store';

/** Whatever store: the workflow it keeps of a job until that settles. */
export function theWorkflows(opened: OpenedStore): void {
  const { put, get, list, remove } = opened;

  describe('the workflow of a job', () => {
    const workflow: StoredWorkflow = {
      tag: 'whole',
      prompt: {
        workflow: '{"1": {"inputs": {"seed": 18446744073709551615, "text": "ünï 🎨"}}}',
        extraData: '{"k":1}',
      },
    };
    const another: StoredWorkflow = {
      tag: 'unposted',
      prompt: { workflow: '{}' },
    };
    const stored = (promptId: string) => lastValueFrom(opened.store.workflow(promptId));
    const putWith = (own: Partial<JobState> = {}, kept = workflow) =>
      lastValueFrom(opened.store.put(aState(own), kept));

    it('is stored with a state, and stays until another comes with a later one', async () => {
      expect(await stored('job-1')).toBeUndefined();
      expect(await putWith({ seq: 1 })).toBe('stored');
      expect(await put(aState({ seq: 2 }))).toBe('stored');
      expect(await stored('job-1')).toEqual(workflow);
      expect(await get('job-1')).toEqual(aState({ seq: 2 }));
      await putWith({ seq: 3 }, another);
      expect(await stored('job-1')).toEqual(another);
      expect(await stored('job-2')).toBeUndefined();
    });

    it('[R11] is not replaced by that of a state which is refused', async () => {
      await putWith({ epoch: 7 });
      expect(await putWith({ epoch: 6 }, another)).toBe('stale');
      expect(await stored('job-1')).toEqual(workflow);
    });

    it.each(['completed', 'failed'] as const)(
      'is dropped when its job is %s, even if one comes with that',
      async (status) => {
        await putWith({ seq: 1 });
        await put(aState({ seq: 2, status }));
        expect(await stored('job-1')).toBeUndefined();
        await putWith({ promptId: 'job-2', status });
        expect(await stored('job-2')).toBeUndefined();
      },
    );

    it('is no state: it is neither listed nor reported', async () => {
      await putWith();
      expect(await list()).toEqual([aState()]);
      expect(opened.harness.reports).toEqual([]);
    });

    it('is forgotten with its job', async () => {
      await putWith();
      await remove('job-1');
      expect(await stored('job-1')).toBeUndefined();
    });

    it.each(['', 'no JSON {', '[1]', '"text"', '7', 'null'])(
      'is none where somebody else wrote %j, until another is stored',
      async (text) => {
        await putWith({ seq: 1 });
        await opened.harness.overwriteKept('job-1', text);
        expect(await stored('job-1')).toBeUndefined();
        await putWith({ seq: 2 });
        expect(await stored('job-1')).toEqual(workflow);
      },
    );

    it.each(['*', 'a}b{c', 'nul\0', ':workflow', ''])('is stored of a job with the id %j', async (promptId) => {
      await putWith({ promptId });
      expect(await stored(promptId)).toEqual(workflow);
      await remove(promptId);
      expect(await stored(promptId)).toBeUndefined();
    });

    it('may be found together with those of others, and never another’s', async () => {
      await putWith({ promptId: 'job-1' });
      await putWith({ promptId: 'a}b{c' }, another);
      await put(aState({ promptId: 'job-3' }));
      const found = await lastValueFrom(opened.store.workflows(['job-1', 'job-2', 'a}b{c', 'job-3']));
      const those = new Map([
        ['job-1', workflow],
        ['a}b{c', another],
      ]);
      for (const [promptId, kept] of found) expect(kept).toEqual(those.get(promptId));
    });

    it('is unavailable with its store', async () => {
      await lastValueFrom(opened.store.close(), { defaultValue: undefined });
      await expect(putWith()).rejects.toThrow(StoreUnavailable);
      await expect(stored('job-1')).rejects.toThrow(StoreUnavailable);
    });
  });
}
