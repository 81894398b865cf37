import { throwError } from 'rxjs';
import { Unwritten } from '../../../sinks/writing/write-behind';
import type { StoredWorkflow } from '../../../sinks/codecs/stored-workflow.codec';
import { aState } from '../a-state';
import { play, type Scene } from './slow-store';

describe('drain', () => {
  const draining = ({ writer, at }: Scene, fromMs: number, timeoutMs: number) => {
    const ended: { as?: unknown } = {};
    at(fromMs, () =>
      writer.drain(timeoutMs).subscribe({
        error: (error: unknown) => (ended.as = error),
        complete: () => (ended.as = 'drained'),
      }),
    );
    return ended;
  };

  test('completes at once where nothing waits', () =>
    play((scene) => {
      const ended = draining(scene, 0, 1000);
      scene.at(1, () => expect(ended.as).toBe('drained'));
      return () => expect(scene.reports).toEqual([]);
    }));

  test('loses nothing: neither what is held back, nor what is under way, nor what failed', () =>
    play((scene) => {
      const { store, writer, at } = scene;
      for (let job = 0; job < 500; job++) {
        at(0, () => writer.put(aState({ promptId: `job-${job}`, seq: 1 })));
        at(1, () => writer.put(aState({ promptId: `job-${job}`, seq: 2 })));
      }
      store.isUp = false;
      at(300, () => (store.isUp = true));
      const ended = draining(scene, 2, 10_000);
      return () => {
        expect(ended.as).toBe('drained');
        expect([...store.held.values()].map(({ seq }) => seq)).toEqual(Array(500).fill(2));
      };
    }));

  test('says how many are left when the time is up', () =>
    play((scene) => {
      scene.store.isUp = false;
      for (const promptId of ['a', 'b', 'c']) scene.at(0, () => scene.writer.put(aState({ promptId })));
      const ended = draining(scene, 0, 3000);
      scene.at(2999, () => expect(ended.as).toBeUndefined());
      scene.at(3001, () => expect(ended.as).toEqual(new Unwritten(3)));
      scene.at(3002, () => scene.writer.close());
      return () => expect(scene.writer.pending()).toBe(3);
    }));

  test('leaves no workflow behind of a job that can never be written, once that has ended', () =>
    play((scene) => {
      const { store, writer, at } = scene;
      store.put = () => throwError(() => new TypeError('no JSON'));
      const workflow: StoredWorkflow = { tag: 'unposted', prompt: { workflow: '{}' } };
      at(0, () => writer.keep('job-1', workflow));
      at(1, () => writer.put(aState({ seq: 1 })));
      at(500, () => expect(writer.waitingWorkflow('job-1')).toBe(workflow));
      at(501, () => writer.put(aState({ seq: 2, status: 'failed' })));
      return () => expect(writer.waitingWorkflow('job-1')).toBeUndefined();
    }));

  test('is not kept waiting by what can never be written', () =>
    play((scene) => {
      scene.store.put = () => throwError(() => new TypeError('no JSON'));
      scene.at(0, () => scene.writer.put(aState({ seq: 1 })));
      scene.at(1, () => scene.writer.put(aState({ seq: 2 })));
      const ended = draining(scene, 2, 5000);
      scene.at(300, () => expect(ended.as).toBe('drained'));
      return () => expect(scene.reports).toHaveLength(2);
    }));
});
