import { VirtualTimeScheduler, type SchedulerLike } from 'rxjs';
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

/** Frames that come when they are told to, by a clock that may be set. */
function aSocket() {
  const scheduler = new VirtualTimeScheduler();
  const told: BoardEvent[] = [];
  let setBy = 0;
  const now = (): number => scheduler.now() + setBy;
  const clock: SchedulerLike = { now, schedule: scheduler.schedule.bind(scheduler) };
  const texts = newestFrames({
    read: (bytes) => decoded(bytes, false, { clientId: 'c', serverUrl: 's', at: now() }, () => undefined),
    tell: (events) => told.push(...events),
    clock,
    time: readingTime(() => scheduler.now()),
  });
  return {
    told,
    at: (time: number, act: () => void) => scheduler.schedule(act, time),
    come: (value: number) => {
      const bytes = stepOf(value);
      texts.take(bytes, 0, bytes.length);
      texts.settle(bytes);
    },
    set: (by: number) => (setBy = by),
    run: () => scheduler.flush(),
  };
}

test('a frame that waits is told to have come when it did, though waiting frames were checked before it', () => {
  const { told, at, come, run } = aSocket();
  // The first is read at once. The second waits, is checked at 25 and not due yet; the third takes its place at 38.
  [1, 5, 38].forEach((time, n) => at(time, () => come(n + 1)));
  run();
  expect(told).toMatchObject([
    { tag: 'snapshot', nodes: [{ value: 1 }], at: 1 },
    { tag: 'snapshot', nodes: [{ value: 3 }], cameAt: 38 },
  ]);
});

test('where the clock is set back by an hour, what waits is read as soon as ever, and so is what comes next', () => {
  const { told, at, come, set, run } = aSocket();
  const values = (): unknown => told.map((event) => event.tag === 'snapshot' && event.nodes[0]?.value);
  let seen: unknown;
  [1, 5].forEach((time, n) => at(time, () => come(n + 1)));
  at(10, () => set(-3_600_000));
  at(100, () => (seen = values()));
  at(101, () => come(3));
  at(200, () =>
    expect([seen, values()]).toEqual([
      [1, 2],
      [1, 2, 3],
    ]),
  );
  run();
  expect(told).toHaveLength(3);
});
