import { lastValueFrom } from 'rxjs';
import { StoreUnavailable } from '../../../../sinks/job-store';
import type { OpenedStore } from './opened-store';

/** Whatever store: names that the first who asks gets. */
export function theReservedNames(opened: OpenedStore): void {
  const { get, list, remove } = opened;

  describe('a reserved name', () => {
    const reserve = (text: string, name = 'name') => lastValueFrom(opened.store.reserve(name, text));
    const amend = (text: string, name = 'name') =>
      lastValueFrom(opened.store.amend(name, text), { defaultValue: 'nothing' });

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
      expect(await lastValueFrom(opened.store.workflow('job-1'))).toBeUndefined();
      expect(await remove('job-1')).toBe(false);
      expect(await reserve('other', 'job-1')).toBe('text');
    });

    it('does nothing until it is subscribed to', async () => {
      void opened.store.reserve('name', 'first');
      expect(await reserve('second')).toBe('second');
      void opened.store.amend('name', 'third');
      expect(await reserve('fourth')).toBe('second');
    });

    it('is unavailable with its store', async () => {
      await lastValueFrom(opened.store.close(), { defaultValue: undefined });
      await expect(reserve('text')).rejects.toThrow(StoreUnavailable);
      await expect(amend('text')).rejects.toThrow(StoreUnavailable);
    });
  });
}
