import { VirtualTimeScheduler } from 'rxjs';
import { newestFrames } from '../../../sources/frames/newest-frames';
import { readingTime } from '../../../sources/frames/reading-time';
import { bounds } from '../../../streams/bounds';

/** A clock that goes on by what each reading takes. */
function timed() {
  let at = 0;
  const time = readingTime(() => at);
  return {
    time,
    read: (ms: number): void => {
      time.spend(() => (at += ms));
    },
  };
}

test('where many frames are read, those of one job are read less often, and as often again once they are few', () => {
  const { time, read } = timed();
  const spaceAt = (now: number): number => time.pace(now).spaceMs;
  expect(spaceAt(1_000)).toBe(bounds.frameSpaceMs);
  for (let n = 0; n < bounds.busyReadsPerSecond; n += 1) read(0);
  expect(spaceAt(1_500)).toBe(bounds.busyFrameSpaceMs);
  // Half as many are read now that each job is read half as often: that is no less at work.
  for (let n = 0; n < bounds.busyReadsPerSecond * 0.3; n += 1) read(0);
  expect(spaceAt(2_000)).toBe(bounds.busyFrameSpaceMs);
  read(0);
  expect(spaceAt(2_500)).toBe(bounds.frameSpaceMs);
});

test('while a socket is too full, reading takes its share of the time and no more; else as much as it likes', () => {
  const { time, read } = timed();
  read(1_000);
  expect(time.allows(1_000)).toBe(true);
  let spent = 0;
  const spaces = new Set<number>();
  for (let now = 1_000 + 1_000 / bounds.readingShare, n = 0; n < 10_000; now += 1, n += 1) {
    time.press(now);
    spaces.add(time.pace(now).spaceMs);
    while (time.allows(now)) {
      read(0.5);
      spent += 0.5;
    }
  }
  expect(spaces).toEqual(new Set([bounds.pressedFrameSpaceMs]));
  expect(spent / 10_000).toBeGreaterThan(bounds.readingShare * 0.9);
  expect(spent / 10_000).toBeLessThan(bounds.readingShare * 1.1);
  expect([time.allows(60_000), time.pace(60_000).spaceMs]).toEqual([true, bounds.frameSpaceMs]);
});

test('a clock that is set back by an hour makes reading no rarer', () => {
  const { time, read } = timed();
  const [before, after] = [3_700_000, 100_000];
  const pressed = (now: number): boolean => {
    time.press(now);
    return time.allows(now);
  };
  expect([pressed(before), time.pace(before).spaceMs]).toEqual([true, bounds.pressedFrameSpaceMs]);
  for (let n = 0; n < bounds.busyReadsPerSecond; n += 1) read(0.01);
  expect(pressed(before)).toBe(false);
  expect([time.allows(after), time.pace(after).spaceMs]).toEqual([true, bounds.frameSpaceMs]);
  // 50 ms were spent.
  pressed(after + 1_000);
  expect(pressed(after + 1_000 + 50 / bounds.readingShare)).toBe(true);
});

test('whether there is time is asked once for all frames that come together', () => {
  let asked = 0;
  const { time } = timed();
  const allows = (): boolean => {
    asked += 1;
    return false;
  };
  const clock = new VirtualTimeScheduler();
  const { take, settle } = newestFrames({ read: () => [], tell: () => undefined, clock, time: { ...time, allows } });
  const frame = Buffer.from('{"type": "progress_state", "data": {"prompt_id": "a", "nodes": {}}}');
  const takeSome = (): void => {
    for (let n = 0; n < 100; n += 1) take(frame, 0, frame.length);
    settle(frame);
  };
  takeSome();
  expect(asked).toBe(1);
  takeSome();
  expect(asked).toBe(2);
});
