import { lastValueFrom } from 'rxjs';
import { Unstorable } from '../../../../sinks/job-store';
import { bounds } from '../../../../streams/bounds';
import { aState } from '../../a-state';
import type { OpenedStore } from './opened-store';

/** Whatever store: the files it keeps of a job. */
export function theFiles(opened: OpenedStore): void {
  const { put, remove } = opened;

  describe('the files of a job', () => {
    const keep = (promptId: string, name: string, bytes: Uint8Array, mimeType = 'image/png') =>
      lastValueFrom(opened.store.keepFile(promptId, name, { mimeType, bytes }), { defaultValue: 'nothing' });
    const file = (promptId: string, name: string) => lastValueFrom(opened.store.file(promptId, name));
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
}
