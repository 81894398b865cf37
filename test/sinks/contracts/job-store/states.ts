import { firstValueFrom, from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { StoreUnavailable, Unstorable } from '../../../../sinks/job-store';
import { bounds } from '../../../../streams/bounds';
import { aFullState, aState } from '../../a-state';
import { idsOf, type OpenedStore } from './opened-store';

/** Lists in lists, so many deep. */
const nested = (levels: number): readonly unknown[] => (levels === 1 ? [] : [nested(levels - 1)]);

/** Whatever store: its states, and how it opens and closes. */
export function theStates(opened: OpenedStore): void {
  const { put, get, list, remove } = opened;

  it('gives back what was put', async () => {
    const state = aFullState();
    expect(await put(state)).toBe('stored');
    expect(await get(state.promptId)).toEqual(state);
  });

  it('knows nothing of a job that was never put', async () => {
    expect(await get('nobody')).toBeUndefined();
    expect(await remove('nobody')).toBe(false);
    expect(await list()).toEqual([]);
  });

  it('does nothing until it is subscribed to', async () => {
    void opened.store.put(aState());
    await put(aState({ promptId: 'job-2' }));
    void opened.store.remove('job-2');
    expect(await get('job-1')).toBeUndefined();
    expect(await get('job-2')).toBeDefined();
  });

  it.each(['*', 'a}b{c', 'line\nbreak', 'nul\0', 'ünï 🎨', 'comfyui:job:x', ':fence'])(
    'takes %j for the id of a job',
    async (promptId) => {
      const state = aState({ promptId });
      await put(state);
      expect(await get(promptId)).toEqual(state);
      expect(await list()).toEqual([state]);
      expect(await remove(promptId)).toBe(true);
      expect(await get(promptId)).toBeUndefined();
    },
  );

  it('[R11] refuses an older epoch, whatever its seq', async () => {
    const held = aState({ epoch: 7, seq: 1 });
    await put(held);
    expect(await put(aState({ epoch: 6, seq: 99 }))).toBe('stale');
    expect(await get('job-1')).toEqual(held);
  });

  it('[R11] refuses an older seq of the same epoch', async () => {
    const held = aState({ epoch: 7, seq: 10 });
    await put(held);
    expect(await put(aState({ epoch: 7, seq: 9 }))).toBe('stale');
    expect(await get('job-1')).toEqual(held);
  });

  it('[R11] refuses another state at the same epoch and seq', async () => {
    const held = aState({ progress: 10 });
    await put(held);
    expect(await put(aState({ progress: 20 }))).toBe('stale');
    expect(await get('job-1')).toEqual(held);
  });

  it('[R11] takes a newer epoch, whatever its seq, and a newer seq', async () => {
    await put(aState({ epoch: 7, seq: 99 }));
    expect(await put(aState({ epoch: 8, seq: 1 }))).toBe('stored');
    expect(await put(aState({ epoch: 8, seq: 2 }))).toBe('stored');
    expect(await get('job-1')).toMatchObject({ epoch: 8, seq: 2 });
  });

  it.each([
    aState({ status: 'completed', progress: 100, phase: 'settled' }),
    aState({ status: 'failed', phase: 'settled' }),
    aState({ status: 'failed', phase: 'settled', metadata: { [`half a surrogate \ud800`]: '\udc80.png' } }),
    aState({ status: 'failed', phase: 'settled', metadata: { deep: nested(1_100) } }),
  ])('[R1] refuses everything over the end of a job, a newer owner’s states too', async (end) => {
    await put(end);
    expect(await put(aState({ epoch: end.epoch + 5, seq: 9 }))).toBe('stale');
    expect(await put(aState({ epoch: end.epoch, seq: end.seq + 1 }))).toBe('stale');
    expect(await put({ ...end, seq: end.seq + 1, progress: 7 })).toBe('stale');
    expect(await put(end)).toBe('stored');
    expect(await get('job-1')).toEqual(end);
  });

  it('[R1] takes a state over one that only speaks of an end', async () => {
    await put(aState({ seq: 1, metadata: { status: 'completed' } }));
    expect(await put(aState({ seq: 2 }))).toBe('stored');
  });

  it('[R11] keeps the newest of many that are put at once', async () => {
    const seqs = Array.from({ length: 200 }, (_, i) => ((i * 77) % 200) + 1);
    const outcomes = await lastValueFrom(
      from(seqs).pipe(
        mergeMap((seq) => opened.store.put(aState({ seq }))),
        toArray(),
      ),
    );
    expect(outcomes).toHaveLength(200);
    expect(await get('job-1')).toMatchObject({ seq: 200 });
  });

  it('takes the very same state again, so that a write may be repeated', async () => {
    await put(aFullState());
    expect(await put(aFullState())).toBe('stored');
  });

  it('lists all jobs, and those that match', async () => {
    await put(aState({ promptId: 'a', userId: 'ann', status: 'queued', type: 'face_swap' }));
    await put(aState({ promptId: 'b', userId: 'ann', status: 'completed', type: 'own-type' }));
    await put(aState({ promptId: 'c', userId: 'bob', status: 'queued', type: 'face_swap' }));
    expect(idsOf(await list())).toEqual(['a', 'b', 'c']);
    expect(idsOf(await list({ userId: 'ann' }))).toEqual(['a', 'b']);
    expect(idsOf(await list({ status: ['queued'] }))).toEqual(['a', 'c']);
    expect(idsOf(await list({ type: 'own-type' }))).toEqual(['b']);
    expect(idsOf(await list({ userId: 'ann', status: ['queued'] }))).toEqual(['a']);
  });

  it('lists each of many jobs once', async () => {
    const ids = Array.from({ length: 1_100 }, (_, i) => `job-${i}`);
    await lastValueFrom(from(ids).pipe(mergeMap((promptId) => opened.store.put(aState({ promptId })), 64)));
    expect(idsOf(await list())).toEqual([...ids].sort());
  });

  it('stops listing where nobody wants more', async () => {
    await put(aState({ promptId: 'a' }));
    await put(aState({ promptId: 'b' }));
    expect(await firstValueFrom(opened.store.live())).toMatchObject({ userId: 'ann' });
  });

  it.each(['x'.repeat(bounds.promptIdBytes + 1), 'ü'.repeat(1000)])(
    'refuses an id that is too long for good',
    async (promptId) => {
      await expect(put(aState({ promptId }))).rejects.toThrow(Unstorable);
    },
  );

  it('forgets a removed job for good', async () => {
    await put(aState({ epoch: 9, seq: 9 }));
    expect(await remove('job-1')).toBe(true);
    expect(await remove('job-1')).toBe(false);
    expect(await get('job-1')).toBeUndefined();
    expect(await put(aState({ epoch: 1, seq: 1 }))).toBe('stored');
  });

  it('is healthy until it is closed, and then unavailable', async () => {
    expect(await lastValueFrom(opened.store.healthy())).toBe(true);
    await lastValueFrom(opened.store.close(), { defaultValue: undefined });
    await lastValueFrom(opened.store.close(), { defaultValue: undefined });
    expect(await lastValueFrom(opened.store.healthy())).toBe(false);
    for (const use of [put(aState()), get('job-1'), list(), remove('job-1')]) {
      await expect(use).rejects.toThrow(StoreUnavailable);
    }
  });

  it('finishes what was begun before it closes', async () => {
    const outcomes = Promise.all(Array.from({ length: 50 }, (_, i) => put(aState({ promptId: `job-${i}` }))));
    await lastValueFrom(opened.store.close(), { defaultValue: undefined });
    expect(new Set(await outcomes)).toEqual(new Set(['stored']));
  });

  it('does not take what is no JSON for an outage', async () => {
    const endless: Record<string, unknown> = {};
    endless['self'] = endless;
    await expect(put(aState({ metadata: endless }))).rejects.toThrow(TypeError);
  });
}
