import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../a-state';
import { play, type Scene, timesOf, WRITE_MS } from './slow-store';

describe('that a state is stored', () => {
  const told = ({ writer, at }: Scene, ms: number, state: JobState) => {
    const ended: { at?: number } = {};
    at(ms, () => writer.stored(state).subscribe({ complete: () => (ended.at = writer.pending()) }));
    return ended;
  };

  test('[R2] is told once it is, and it is written at once for that', () =>
    play((scene) => {
      const { store, writer, at } = scene;
      const second = aState({ seq: 2 });
      at(0, () => writer.put(aState({ seq: 1 })));
      at(10, () => writer.put(second));
      const ended = told(scene, 20, second);
      at(20, () => expect(ended.at).toBeUndefined());
      at(20 + WRITE_MS + 1, () => expect(ended.at).toBe(0));
      return () =>
        expect(timesOf(store)).toEqual([
          [0, 1],
          [20, 2],
        ]);
    }));

  test('is told without a write where it is stored already', () =>
    play((scene) => {
      const state = aState({ seq: 1 });
      scene.at(0, () => scene.writer.put(state));
      const ended = told(scene, 100, state);
      scene.at(100, () => expect(ended.at).toBe(0));
      return () => expect(scene.store.writes).toHaveLength(1);
    }));

  test('[R12] is waited for by nobody while the store is away', () =>
    play((scene) => {
      const state = aState({ seq: 2 });
      scene.store.isUp = false;
      scene.at(0, () => scene.writer.put(aState({ seq: 1 })));
      scene.at(50, () => scene.writer.put(state));
      const ended = told(scene, 60, state);
      scene.at(60, () => expect(ended.at).toBe(1));
      scene.at(100, () => (scene.store.isUp = true));
      return () => expect(scene.store.held.get('job-1')).toEqual(state);
    }));
});
