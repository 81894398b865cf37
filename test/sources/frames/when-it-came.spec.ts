import { VirtualTimeScheduler } from 'rxjs';
import { pythonJson } from '../../../bench/frames/wire-frames';
import { newestFrames } from '../../../sources/frames/newest-frames';
import { readingTime } from '../../../sources/frames/reading-time';
import { decoded } from '../../../sources/session';
import type { BoardEvent } from '../../../streams/board/board';

const stepOf = (value: number): Buffer =>
  Buffer.from(
    pythonJson({
      type: 'progress_state',
      data: { prompt_id: 'a', nodes: { '1': { value, max: 100, state: 'running' } } },
    }),
  );

test('a frame that waits is told to have come when it did, though waiting frames were checked before it', () => {
  const clock = new VirtualTimeScheduler();
  const told: BoardEvent[] = [];
  const texts = newestFrames({
    read: (bytes) => decoded(bytes, false, { clientId: 'c', serverUrl: 's', at: clock.now() }, () => undefined),
    tell: (events) => told.push(...events),
    clock,
    time: readingTime(() => clock.now()),
  });
  // The first is read at once. The second waits, is checked at 25 and not due yet; the third takes its place at 38.
  [1, 5, 38].forEach((at, n) => {
    clock.schedule(() => {
      const bytes = stepOf(n + 1);
      texts.take(bytes, 0, bytes.length);
      texts.settle(bytes);
    }, at);
  });
  clock.flush();
  expect(told).toMatchObject([
    { tag: 'snapshot', nodes: [{ value: 1 }], at: 1 },
    { tag: 'snapshot', nodes: [{ value: 3 }], cameAt: 38 },
  ]);
});
