import { bounds } from '../../../streams/bounds';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../a-state';
import { play, timesOf, WRITE_MS } from './slow-store';

describe('a settled state that is to be confirmed', () => {
  const CONFIRM_MS = 20_000;
  const KEPT_MS = 600_000;
  const settled = (own: Partial<JobState> = {}) => aState({ status: 'completed', ...own });

  test('is written once more, and no state besides', () =>
    play(({ store, writer, at }) => {
      at(0, () => writer.put(aState({ promptId: 'other' })));
      at(0, () => writer.put(settled()));
      at(10, () => expect(writer.pending()).toBe(0));
      return () => {
        expect(timesOf(store)).toEqual([
          [0, 1],
          [WRITE_MS + CONFIRM_MS, 1],
        ]);
        expect(timesOf(store, 'other')).toHaveLength(1);
      };
    }, CONFIRM_MS));

  test('is known until ten minutes after that', () =>
    play(({ writer, at }) => {
      const known: boolean[] = [];
      const look = (): void => void known.push(writer.ends.of('job-1') !== undefined);
      at(0, () => writer.put(settled()));
      at(WRITE_MS - 1, look);
      at(WRITE_MS + 1, look);
      at(WRITE_MS + CONFIRM_MS - 1, look);
      at(WRITE_MS + CONFIRM_MS + KEPT_MS - 1, look);
      at(WRITE_MS + CONFIRM_MS + KEPT_MS + 1, look);
      return () => expect(known).toEqual([false, true, true, true, false]);
    }, CONFIRM_MS));

  test('is back where a master took it along', () =>
    play(({ store, writer, at }) => {
      at(0, () => writer.put(settled()));
      at(100, () => store.held.clear());
      at(CONFIRM_MS, () => (store.isUp = false));
      at(CONFIRM_MS + 5000, () => (store.isUp = true));
      return () => expect(store.held.get('job-1')).toEqual(settled());
    }, CONFIRM_MS));

  test('is back at once where the store is known to have lost it, each time, and is confirmed all the same', () =>
    play(({ store, writer, at }) => {
      at(0, () => writer.put(settled()));
      for (const time of [1_000, 4_000]) {
        at(time, () => {
          store.held.clear();
          writer.ends.again();
        });
        at(time + 1_000, () => expect(store.held.get('job-1')).toEqual(settled()));
      }
      at(6_000, () => store.held.clear());
      at(CONFIRM_MS + 1_000, () => expect(store.held.get('job-1')).toEqual(settled()));
      return () => expect(timesOf(store)).toHaveLength(4);
    }, CONFIRM_MS));

  test('is back where the store came back minutes later as it was before the end, each time, for ten minutes', () =>
    play(({ store, writer, at }) => {
      const before = aState({ seq: 1 });
      const after = settled({ seq: 2 });
      at(0, () => writer.put(after));
      for (const minutes of [2, 4, 10])
        at(minutes * 60_000, () => {
          store.held.set('job-1', before);
          writer.ends.again();
        });
      at(5 * 60_000, () => expect(store.held.get('job-1')).toEqual(after));
      at(10 * 60_000 + 1_000, () => expect(store.held.get('job-1')).toEqual(after));
      at(11 * 60_000, () => {
        store.held.set('job-1', before);
        writer.ends.again();
      });
      return () => expect(store.held.get('job-1')).toEqual(before);
    }, CONFIRM_MS));

  test('is kept within bounds: the newest in number, and in characters', () =>
    play(({ writer, at }) => {
      const many = Array.from({ length: bounds.keptEnds + 1 }, (_, n) => `job-${n}`);
      const metadata = { text: 'x'.repeat(bounds.keptEndsLength / 2) };
      at(0, () => many.forEach((promptId) => writer.put(settled({ promptId }))));
      at(60_000, () => {
        expect(many.filter((promptId) => writer.ends.of(promptId) === undefined)).toEqual(['job-0']);
        for (const promptId of ['large', 'larger']) writer.put(settled({ promptId, metadata }));
      });
      return () => expect(['job-9', 'large', 'larger'].filter(writer.ends.of)).toEqual(['larger']);
    }, CONFIRM_MS));

  test('[R11] is nobody’s trouble where it is written again and a newer one is there', () =>
    play(({ store, writer, reports, stale, at }) => {
      at(0, () => writer.put(settled()));
      at(100, () => store.held.set('job-1', settled({ epoch: 2e12 })));
      at(200, () => writer.ends.again());
      // It may be this instance's to take up again.
      return () => expect([reports, stale, writer.ends.of('job-1')]).toEqual([[], [], undefined]);
    }, CONFIRM_MS));

  test('[R11] is nobody’s trouble where a newer one is stored by then', () =>
    play(({ store, writer, reports, stale, at }) => {
      at(0, () => writer.put(settled()));
      at(100, () => store.held.set('job-1', settled({ epoch: 2e12 })));
      return () => {
        expect([reports, stale]).toEqual([[], []]);
        expect(store.held.get('job-1')).toMatchObject({ epoch: 2e12 });
      };
    }, CONFIRM_MS));

  test('is not where a newer one was put, or all is closed', () =>
    play(({ store, writer, at }) => {
      for (const promptId of ['again', 'closed']) at(0, () => writer.put(settled({ promptId })));
      at(1000, () => writer.put(aState({ promptId: 'again', seq: 2 })));
      at(2000, () => writer.close());
      return () => expect(store.writes).toHaveLength(3);
    }, CONFIRM_MS));
});
