import { firstValueFrom } from 'rxjs';
import { aState } from '../../a-state';
import { until } from '../../../support/until';
import type { OpenedStore } from './opened-store';

/** Whatever store: what those hear who watch a job. */
export function theChanges(opened: OpenedStore): void {
  const { put } = opened;

  describe('changes', () => {
    it('tell each state that is stored of this job, to all who watch it', async () => {
      const seen: [number[], number[]] = [[], []];
      const watching = seen.map((list) => opened.store.changes('job-1').subscribe(({ seq }) => list.push(seq)));
      await opened.harness.listening('job-1');
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
      const watching = opened.store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
      await opened.harness.listening('job-1');
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
        const last = firstValueFrom(opened.store.changes(promptId));
        await put(aState({ promptId, status: 'completed' }));
        expect(await last).toMatchObject({ status: 'completed' });
      }
    });

    it('end with their watcher, and begin again with the next', async () => {
      opened.store.changes('job-1').subscribe().unsubscribe();
      const seen: number[] = [];
      const watching = opened.store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
      await opened.harness.listening('job-1');
      await put(aState({ seq: 1 }));
      await until(() => seen.length >= 1);
      watching.unsubscribe();
      await put(aState({ seq: 2 }));
      const again = opened.store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
      await opened.harness.listening('job-1');
      await put(aState({ seq: 3 }));
      await until(() => seen.at(-1) === 3);
      again.unsubscribe();
    });
  });
}
