import { firstValueFrom, from, lastValueFrom, mergeMap, range, toArray, type Observable } from 'rxjs';
import { cursorAt, InvalidCursor, type JobFilter, type JobQuery } from '../../../sinks/listing/job-page';
import { StoreUnavailable, Unstorable, type JobStore } from '../../../sinks/job-store';
import type { LearnedEntry } from '../../../streams/job/progress/learned/learned';
import type { StoredWorkflow } from '../../../sinks/codecs/stored-workflow.codec';
import { bounds } from '../../../streams/bounds';
import type { JobState } from '../../../streams/job/job-state';
import { aFullState, aState } from '../a-state';
import { until } from '../../support/until';

/** What the contract needs of a store's own spec. */
export interface Harness {
  readonly store: JobStore;
  /** What was reported. */
  readonly reports: readonly unknown[];
  /** Resolves once what is put is surely heard by who watches the job now. */
  listening(promptId: string): Promise<void>;
  /** Writes over what is kept of that job, as somebody else might. */
  overwriteKept(promptId: string, text: string): Promise<void>;
  /** Ends what `open` made beside the store. */
  dispose(): Promise<void>;
}

/** What every store keeps to. `open` gives an empty one. */
export function jobStoreContract(name: string, open: () => Promise<Harness>): void {
  describe(`${name}, as every store`, () => {
    let harness: Harness;
    let store: JobStore;

    beforeEach(async () => {
      harness = await open();
      store = harness.store;
    });
    afterEach(async () => {
      await lastValueFrom(store.close(), { defaultValue: undefined });
      await harness.dispose();
    });

    const put = (state: JobState) => lastValueFrom(store.put(state));
    const get = (promptId: string) => lastValueFrom(store.get(promptId));
    const page = (query: Partial<JobQuery> = {}) => lastValueFrom(store.page({ limit: 10_000, ...query }));
    const list = async (filter: JobFilter = {}) => (await page(filter)).jobs;
    const remove = (promptId: string) => lastValueFrom(store.remove(promptId));
    const idsOf = (states: readonly JobState[]) => states.map(({ promptId }) => promptId).sort();

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
      void store.put(aState());
      await put(aState({ promptId: 'job-2' }));
      void store.remove('job-2');
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
    ])('[R1] refuses everything over the end of a job, a newer owner’s states too', async (end) => {
      await put(end);
      expect(await put(aState({ epoch: end.epoch + 5, seq: 9 }))).toBe('stale');
      expect(await put(end)).toBe('stored');
      expect(await get('job-1')).toEqual(end);
    });

    it('[R11] keeps the newest of many that are put at once', async () => {
      const seqs = Array.from({ length: 200 }, (_, i) => ((i * 77) % 200) + 1);
      const outcomes = await lastValueFrom(
        from(seqs).pipe(
          mergeMap((seq) => store.put(aState({ seq }))),
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
      await lastValueFrom(from(ids).pipe(mergeMap((promptId) => store.put(aState({ promptId })), 64)));
      expect(idsOf(await list())).toEqual([...ids].sort());
    });

    it('stops listing where nobody wants more', async () => {
      await put(aState({ promptId: 'a' }));
      await put(aState({ promptId: 'b' }));
      expect(await firstValueFrom(store.live())).toMatchObject({ userId: 'ann' });
    });

    describe('a page', () => {
      const many = (count: number, own: (i: number) => Partial<JobState>) =>
        lastValueFrom(
          range(0, count).pipe(mergeMap((i) => store.put(aState({ promptId: `job-${i}`, ...own(i) })), 32)),
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
        await put(
          aState({ promptId: 'b', startedAt: 20, status: 'processing', metadata: { name: 'Blue Hour', n: 7 } }),
        );
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

    describe('the live jobs', () => {
      const live = async () => idsOf(await lastValueFrom(store.live().pipe(toArray())));
      const liveOf = async (clientId: string) => idsOf(await lastValueFrom(store.liveOf(clientId).pipe(toArray())));

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
        expect(idsOf(await lastValueFrom(store.live(isKnown).pipe(toArray())))).toEqual(['b']);
        expect(idsOf(await lastValueFrom(store.liveOf('s', isKnown).pipe(toArray())))).toEqual(['b']);
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
      const usage = (userId: string) => lastValueFrom(store.usage(userId));
      const stored = (text: string): StoredWorkflow => ({ tag: 'whole', prompt: { workflow: text } });
      const bytesOf = (kept: StoredWorkflow) => Buffer.byteLength(JSON.stringify(kept));

      it('is unsettled jobs and the bytes of their workflows', async () => {
        const [large, small] = [stored(`"${'ü'.repeat(500)}"`), stored('{}')];
        expect(await usage('ann')).toEqual({ jobs: 0, bytes: 0 });
        await lastValueFrom(store.put(aState({ promptId: 'a' }), large));
        await lastValueFrom(store.put(aState({ promptId: 'b' }), large));
        await put(aState({ promptId: 'c' }));
        await lastValueFrom(store.put(aState({ promptId: 'd', userId: 'bob' }), large));
        expect(await usage('ann')).toEqual({ jobs: 3, bytes: 2 * bytesOf(large) });
        await lastValueFrom(store.put(aState({ promptId: 'a', seq: 2 }), small));
        expect(await usage('ann')).toEqual({ jobs: 3, bytes: bytesOf(large) + bytesOf(small) });
        await put(aState({ promptId: 'b', seq: 2, status: 'failed' }));
        await remove('c');
        expect(await usage('ann')).toEqual({ jobs: 1, bytes: bytesOf(small) });
      });
    });

    describe('the files of a job', () => {
      const keep = (promptId: string, name: string, bytes: Uint8Array, mimeType = 'image/png') =>
        lastValueFrom(store.keepFile(promptId, name, { mimeType, bytes }), { defaultValue: 'nothing' });
      const file = (promptId: string, name: string) => lastValueFrom(store.file(promptId, name));
      const png = Uint8Array.from([0x89, 0x50, 0, 0xff, 0x0d, 0x0a]);

      it('are given back to the last byte, by name', async () => {
        await put(aState());
        expect(await file('job-1', 'a.png')).toBeUndefined();
        expect(await keep('job-1', 'a.png', png)).toBe('nothing');
        await keep('job-1', 'ü/🎨', Uint8Array.of(), 'text/plain');
        const kept = await file('job-1', 'a.png');
        expect([kept?.mimeType, ...(kept?.bytes ?? [])]).toEqual(['image/png', ...png]);
        expect((await file('job-1', 'ü/🎨'))?.bytes).toHaveLength(0);
        expect(await file('job-2', 'a.png')).toBeUndefined();
        await keep('job-1', 'a.png', Uint8Array.of(1), 'image/webp');
        expect((await file('job-1', 'a.png'))?.mimeType).toBe('image/webp');
      });

      it('stay when it settles, and go with it', async () => {
        await put(aState({ seq: 1 }));
        await keep('job-1', 'a.png', png);
        await put(aState({ seq: 2, status: 'completed' }));
        expect(await file('job-1', 'a.png')).toBeDefined();
        await remove('job-1');
        expect(await file('job-1', 'a.png')).toBeUndefined();
      });

      it('are refused by the bound', async () => {
        await put(aState());
        await expect(keep('job-1', 'a', new Uint8Array(bounds.fileBytes + 1))).rejects.toThrow(Unstorable);
        await expect(keep('job-1', 'x'.repeat(bounds.fileNameLength + 1), png)).rejects.toThrow(Unstorable);
        for (let n = 0; n < bounds.files; n++) await keep('job-1', `${n}`, png);
        await expect(keep('job-1', 'one too many', png)).rejects.toThrow(Unstorable);
        await keep('job-1', '0', png);
      });
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

    it('keeps what was learnt by key, for all who ask, until it is forgotten', async () => {
      const learn = (...entries: readonly LearnedEntry[]) =>
        lastValueFrom(store.learn(entries), { defaultValue: 'nothing' });
      const learnt = async () => new Map(await lastValueFrom(store.learned()));
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
      expect((await lastValueFrom(store.page({ limit: 10 }))).jobs).toEqual([]);
    });

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
      const stored = (promptId: string) => lastValueFrom(store.workflow(promptId));
      const putWith = (own: Partial<JobState> = {}, kept = workflow) => lastValueFrom(store.put(aState(own), kept));

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
        expect(harness.reports).toEqual([]);
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
          await harness.overwriteKept('job-1', text);
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
        const found = await lastValueFrom(store.workflows(['job-1', 'job-2', 'a}b{c', 'job-3']));
        const those = new Map([
          ['job-1', workflow],
          ['a}b{c', another],
        ]);
        for (const [promptId, kept] of found) expect(kept).toEqual(those.get(promptId));
      });

      it('is unavailable with its store', async () => {
        await lastValueFrom(store.close(), { defaultValue: undefined });
        await expect(putWith()).rejects.toThrow(StoreUnavailable);
        await expect(stored('job-1')).rejects.toThrow(StoreUnavailable);
      });
    });

    describe('hooks', () => {
      const done = <T>(work$: Observable<T>) => lastValueFrom(work$, { defaultValue: undefined });
      const hook = (promptId: string, text = 'text') => ({ promptId, text });
      const claim = async (most = 10, forMs = 60_000) =>
        (await lastValueFrom(store.hooks.claim(most, forMs))).map(({ promptId, text }) => `${promptId} ${text}`).sort();

      it('are claimed when they are due, by one', async () => {
        expect(await claim()).toEqual([]);
        await done(store.hooks.add(hook('a'), 0));
        await done(store.hooks.add(hook('b'), 60_000));
        const all = await Promise.all(Array.from({ length: 20 }, () => claim()));
        expect(all.flat()).toEqual(['a text']);
      });

      it('are due again where nobody says what became of them', async () => {
        await done(store.hooks.add(hook('a'), 0));
        expect(await claim(10, 50)).toEqual(['a text']);
        const again: string[] = [];
        await until(async () => again.push(...(await claim(10, 60_000))) > 0);
        expect(again).toEqual(['a text']);
        expect(await claim()).toEqual([]);
      });

      it('are there once for a job, also after the end', async () => {
        await done(store.hooks.add(hook('a', 'first'), 0));
        await done(store.hooks.add(hook('a', 'second'), 0));
        expect(await claim(10, 0)).toEqual(['a first']);
        await done(store.hooks.done('a'));
        await done(store.hooks.add(hook('a', 'third'), 0));
        await done(store.hooks.later(hook('a', 'fourth'), 0));
        await done(store.hooks.hurry('a'));
        expect(await claim()).toEqual([]);
      });

      it('may be put off with another text, and hurried, but not while they are claimed', async () => {
        await done(store.hooks.add(hook('a'), 60_000));
        await done(store.hooks.hurry('a'));
        expect(await claim()).toEqual(['a text']);
        await done(store.hooks.hurry('a'));
        expect(await claim()).toEqual([]);
        await done(store.hooks.later(hook('a', 'later'), 60_000));
        expect(await claim()).toEqual([]);
        await done(store.hooks.hurry('a'));
        await done(store.hooks.hurry('nobody'));
        expect(await claim()).toEqual(['a later']);
      });

      it('rest after an attempt that failed, whoever hurries them', async () => {
        for (const id of ['a', 'b', 'gone']) await done(store.hooks.add(hook(id), 0));
        await claim();
        await done(store.hooks.done('gone'));
        await done(store.hooks.rest(hook('a', 'rested'), 60_000));
        await done(store.hooks.rest(hook('b', 'rested'), 0));
        await done(store.hooks.rest(hook('gone', 'rested'), 0));
        await done(store.hooks.hurry('a'));
        expect(await claim()).toEqual(['b rested']);
      });

      it('are given out as many as wanted, and are no jobs', async () => {
        for (let n = 0; n < 35; n += 1) await done(store.hooks.add(hook(`job-${n}`), 0));
        const some = [await claim(10), await claim(20), await claim(10)];
        expect(some.map(({ length }) => length)).toEqual([10, 20, 5]);
        expect(new Set(some.flat()).size).toBe(35);
        expect(await list()).toEqual([]);
      });

      it('are unavailable with their store', async () => {
        await lastValueFrom(store.close(), { defaultValue: undefined });
        await expect(claim()).rejects.toThrow(StoreUnavailable);
        await expect(done(store.hooks.add(hook('a'), 0))).rejects.toThrow(StoreUnavailable);
      });
    });

    describe('a reserved name', () => {
      const reserve = (text: string, name = 'name') => lastValueFrom(store.reserve(name, text));
      const amend = (text: string, name = 'name') =>
        lastValueFrom(store.amend(name, text), { defaultValue: 'nothing' });

      it('holds what was first, whoever else comes', async () => {
        expect(await reserve('first')).toBe('first');
        expect(await reserve('second')).toBe('first');
        expect(await reserve('other', 'another name')).toBe('other');
      });

      it('goes to one of many who come at once', async () => {
        const texts = Array.from({ length: 100 }, (_, n) => `text ${n}`);
        const held = await Promise.all(texts.map((text) => reserve(text)));
        expect(new Set(held).size).toBe(1);
        expect(texts).toContain(held[0]);
      });

      it('may be amended by whoever knows it, and is not made by that', async () => {
        expect(await amend('out of nothing')).toBe('nothing');
        expect(await reserve('first')).toBe('first');
        expect(await amend('later')).toBe('nothing');
        expect(await reserve('second')).toBe('later');
      });

      it('is no job, and no job’s workflow', async () => {
        await reserve('text', 'job-1');
        expect(await list()).toEqual([]);
        expect(await get('job-1')).toBeUndefined();
        expect(await lastValueFrom(store.workflow('job-1'))).toBeUndefined();
        expect(await remove('job-1')).toBe(false);
        expect(await reserve('other', 'job-1')).toBe('text');
      });

      it('does nothing until it is subscribed to', async () => {
        void store.reserve('name', 'first');
        expect(await reserve('second')).toBe('second');
        void store.amend('name', 'third');
        expect(await reserve('fourth')).toBe('second');
      });

      it('is unavailable with its store', async () => {
        await lastValueFrom(store.close(), { defaultValue: undefined });
        await expect(reserve('text')).rejects.toThrow(StoreUnavailable);
        await expect(amend('text')).rejects.toThrow(StoreUnavailable);
      });
    });

    describe('changes', () => {
      it('tell each state that is stored of this job, to all who watch it', async () => {
        const seen: [number[], number[]] = [[], []];
        const watching = seen.map((list) => store.changes('job-1').subscribe(({ seq }) => list.push(seq)));
        await harness.listening('job-1');
        await put(aState({ promptId: 'job-2', seq: 50 }));
        for (const seq of [1, 2, 3]) await put(aState({ seq }));
        await until(() => seen.every((list) => list.length >= 3));
        expect(seen).toEqual([
          [1, 2, 3],
          [1, 2, 3],
        ]);
        watching.forEach((each) => each.unsubscribe());
      });

      it('[R11] do not tell of a refused state, nor twice of a repeated one', async () => {
        const seen: number[] = [];
        const watching = store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
        await harness.listening('job-1');
        await put(aState({ seq: 5 }));
        await put(aState({ seq: 4 }));
        await put(aState({ seq: 5 }));
        await put(aState({ seq: 6 }));
        await until(() => seen.length >= 2);
        expect(seen).toEqual([5, 6]);
        watching.unsubscribe();
      });

      it('miss no last word where a state is stored right after subscribing', async () => {
        for (let round = 0; round < 20; round++) {
          const promptId = `job-${round}`;
          const last = firstValueFrom(store.changes(promptId));
          await put(aState({ promptId, status: 'completed' }));
          expect(await last).toMatchObject({ status: 'completed' });
        }
      });

      it('end with their watcher, and begin again with the next', async () => {
        store.changes('job-1').subscribe().unsubscribe();
        const seen: number[] = [];
        const watching = store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
        await harness.listening('job-1');
        await put(aState({ seq: 1 }));
        await until(() => seen.length >= 1);
        watching.unsubscribe();
        await put(aState({ seq: 2 }));
        const again = store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
        await harness.listening('job-1');
        await put(aState({ seq: 3 }));
        await until(() => seen.at(-1) === 3);
        again.unsubscribe();
      });
    });

    it('is healthy until it is closed, and then unavailable', async () => {
      expect(await lastValueFrom(store.healthy())).toBe(true);
      await lastValueFrom(store.close(), { defaultValue: undefined });
      await lastValueFrom(store.close(), { defaultValue: undefined });
      expect(await lastValueFrom(store.healthy())).toBe(false);
      for (const use of [put(aState()), get('job-1'), list(), remove('job-1')]) {
        await expect(use).rejects.toThrow(StoreUnavailable);
      }
    });

    it('finishes what was begun before it closes', async () => {
      const outcomes = Promise.all(Array.from({ length: 50 }, (_, i) => put(aState({ promptId: `job-${i}` }))));
      await lastValueFrom(store.close(), { defaultValue: undefined });
      expect(new Set(await outcomes)).toEqual(new Set(['stored']));
    });

    it('does not take what is no JSON for an outage', async () => {
      const endless: Record<string, unknown> = {};
      endless['self'] = endless;
      await expect(put(aState({ metadata: endless }))).rejects.toThrow(TypeError);
    });

    afterEach(() => {
      expect(harness.reports).toEqual([]);
    });
  });
}
