import { isDeepStrictEqual } from 'node:util';
import { portrait } from '../../replay/portrait';
import { readRecording, recordings } from '../../replay/recording';
import type { RecordedEvent } from '../../replay/recording';
import { replay } from '../../replay/replay';
import { isSpacedAsPython } from '../../replay/shape';

/** What the stand-in does not do: Python's conversions of inputs, steps in no time, the order of its sets; another client's jobs are in one. */
const unplayed = ['execution-blocked', 'nan-input-error', 'quick-node-of-300-steps', 'steps-as-text', 'text-output'];
const named = recordings
  .filter(({ scenario }) => !unplayed.includes(scenario))
  .map(({ version, scenario }) => ({ name: `${version} ${scenario}`, version, scenario }));
const replays = new Map<string, Promise<RecordedEvent[]>>();

/** All at once: they mostly wait. */
beforeAll(async () => {
  for (const { name, version, scenario } of named) replays.set(name, replay(version, scenario));
  await Promise.allSettled(replays.values());
});

const replayed = async (name: string) => (await replays.get(name)) ?? [];

describe('the stand-in does what a real server did', () => {
  test.each(named)('$name', async ({ name, version, scenario }) => {
    const real = portrait(readRecording(version, scenario));
    let played = portrait(await replayed(name));
    // In real time, and all at once: one that a busy machine upset is played again, alone.
    for (let again = 0; again < 2 && !isDeepStrictEqual(played, real); again++)
      played = portrait(await replay(version, scenario));
    expect(played).toEqual(real);
  });

  test.each(named)('$name, in Python’s spelling', async ({ name }) => {
    const frames = (await replayed(name)).flatMap((event) => ('text' in event ? event.text : []));
    expect(frames.filter((frame) => !isSpacedAsPython(frame))).toEqual([]);
  });
});

test('real frames are in Python’s spelling, by the same measure', () => {
  const frames = recordings
    .flatMap(({ version, scenario }) => readRecording(version, scenario))
    .flatMap((event) => ('text' in event ? event.text : []));
  expect(frames.filter((frame) => !isSpacedAsPython(frame))).toEqual([]);
  expect(isSpacedAsPython('{"type":"status"}')).toBe(false);
});

// On a machine that takes its time for a step, each of the ten may be told.
test.each([
  { version: '0.3.30', least: 10, most: 10 },
  { version: '0.33.0', least: 5, most: 7 },
] as const)('ten steps of 50 ms are $least to $most progress frames on $version', async ({ version, least, most }) => {
  for (const [events, atMost] of [
    [readRecording(version, 'steps'), most],
    [await replayed(`${version} steps`), 10],
  ] as const) {
    const frames = events.filter((event) => 'text' in event && event.text.startsWith('{"type": "progress",'));
    expect(frames.length).toBeGreaterThanOrEqual(least);
    expect(frames.length).toBeLessThanOrEqual(atMost);
  }
});
