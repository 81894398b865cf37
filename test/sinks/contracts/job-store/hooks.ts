import { lastValueFrom, type Observable } from 'rxjs';
import { StoreUnavailable } from '../../../../sinks/job-store';
import { until } from '../../../support/until';
import type { OpenedStore } from './opened-store';

/** Whatever store: the webhooks that are due. */
export function theHooks(opened: OpenedStore): void {
  const { list } = opened;

  describe('hooks', () => {
    const done = <T>(work$: Observable<T>) => lastValueFrom(work$, { defaultValue: undefined });
    const hook = (promptId: string, text = 'text') => ({ promptId, text });
    const claim = async (most = 10, forMs = 60_000) =>
      (await lastValueFrom(opened.store.hooks.claim(most, forMs)))
        .map(({ promptId, text }) => `${promptId} ${text}`)
        .sort();

    it('are claimed when they are due, by one', async () => {
      expect(await claim()).toEqual([]);
      await done(opened.store.hooks.add(hook('a'), 0));
      await done(opened.store.hooks.add(hook('b'), 60_000));
      const all = await Promise.all(Array.from({ length: 20 }, () => claim()));
      expect(all.flat()).toEqual(['a text']);
    });

    it('are due again where nobody says what became of them', async () => {
      await done(opened.store.hooks.add(hook('a'), 0));
      expect(await claim(10, 50)).toEqual(['a text']);
      const again: string[] = [];
      await until(async () => again.push(...(await claim(10, 60_000))) > 0);
      expect(again).toEqual(['a text']);
      expect(await claim()).toEqual([]);
    });

    it('are there once for a job, also after the end', async () => {
      await done(opened.store.hooks.add(hook('a', 'first'), 0));
      await done(opened.store.hooks.add(hook('a', 'second'), 0));
      expect(await claim(10, 0)).toEqual(['a first']);
      await done(opened.store.hooks.done('a'));
      await done(opened.store.hooks.add(hook('a', 'third'), 0));
      await done(opened.store.hooks.later(hook('a', 'fourth'), 0));
      await done(opened.store.hooks.hurry('a'));
      expect(await claim()).toEqual([]);
    });

    it('may be put off with another text, and hurried, but not while they are claimed', async () => {
      await done(opened.store.hooks.add(hook('a'), 60_000));
      await done(opened.store.hooks.hurry('a'));
      expect(await claim()).toEqual(['a text']);
      await done(opened.store.hooks.hurry('a'));
      expect(await claim()).toEqual([]);
      await done(opened.store.hooks.later(hook('a', 'later'), 60_000));
      expect(await claim()).toEqual([]);
      await done(opened.store.hooks.hurry('a'));
      await done(opened.store.hooks.hurry('nobody'));
      expect(await claim()).toEqual(['a later']);
    });

    it('rest after an attempt that failed, whoever hurries them', async () => {
      for (const id of ['a', 'b', 'gone']) await done(opened.store.hooks.add(hook(id), 0));
      await claim();
      await done(opened.store.hooks.done('gone'));
      await done(opened.store.hooks.rest(hook('a', 'rested'), 60_000));
      await done(opened.store.hooks.rest(hook('b', 'rested'), 0));
      await done(opened.store.hooks.rest(hook('gone', 'rested'), 0));
      await done(opened.store.hooks.hurry('a'));
      expect(await claim()).toEqual(['b rested']);
    });

    it('are given out as many as wanted, and are no jobs', async () => {
      for (let n = 0; n < 35; n += 1) await done(opened.store.hooks.add(hook(`job-${n}`), 0));
      const some = [await claim(10), await claim(20), await claim(10)];
      expect(some.map(({ length }) => length)).toEqual([10, 20, 5]);
      expect(new Set(some.flat()).size).toBe(35);
      expect(await list()).toEqual([]);
    });

    it('are unavailable with their store', async () => {
      await lastValueFrom(opened.store.close(), { defaultValue: undefined });
      await expect(claim()).rejects.toThrow(StoreUnavailable);
      await expect(done(opened.store.hooks.add(hook('a'), 0))).rejects.toThrow(StoreUnavailable);
    });
  });
}
