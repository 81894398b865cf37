import fc from 'fast-check';
import { VirtualTimeScheduler } from 'rxjs';
import { newestFrames } from '../../../sources/frames/newest-frames';
import { readingTime } from '../../../sources/frames/reading-time';
import { decoded } from '../../../sources/session';
import type { BoardEvent } from '../../../streams/board/board';
import { bounds } from '../../../streams/bounds';
import { pythonJson } from '../../../bench/frames/wire-frames';
import { runs } from '../../support/jest/runs';

/** A frame of one of three jobs, in their order as ComfyUI sends it, and how long after the one before. */
interface Said {
  readonly afterMs: number;
  readonly text: string;
}
/** One by a name that is none of ComfyUI's, two by such as are alike in all that they are looked up by. */
const jobs = ['a', ...['b', 'c'].map((id) => `${id}0000000-0000-4000-8000-000000000000`)];
/** Of these bytes a frame with a long id is much, and one with a short id is not. */
const LENT_BYTES = 512;
const frame = fc.oneof(
  { weight: 8, arbitrary: fc.constant('progress_state') },
  { weight: 4, arbitrary: fc.constant('progress') },
  ...[
    'executing',
    'executed',
    'execution_cached',
    'status',
    'resumed',
    'garbled',
    'execution_success',
    'execution_error',
  ].map((type) => ({ weight: 1, arbitrary: fc.constant(type) })),
);
const said: fc.Arbitrary<readonly Said[]> = fc
  .array(
    fc.record({
      type: frame,
      promptId: fc.constantFrom(...jobs),
      node: fc.constantFrom('1', '2'),
      afterMs: fc.oneof(fc.constant(0), fc.integer({ max: 30, min: 0 }), fc.integer({ max: 3_000, min: 0 })),
    }),
    { maxLength: 60 },
  )
  .map((many) =>
    many.map(({ type, promptId, node, afterMs }, n) => ({ afterMs, text: textOf(type, promptId, node, n) })),
  );

function textOf(type: string, promptId: string, node: string, n: number): string {
  switch (type) {
    case 'progress_state':
      return pythonJson({
        type,
        data: { prompt_id: promptId, nodes: { [node]: { value: n, max: 100, state: 'running' } } },
      });
    case 'progress':
      return pythonJson({ type, data: { value: n, max: 100, prompt_id: promptId, node } });
    case 'status':
      return pythonJson({ type, data: { status: { exec_info: { queue_remaining: n } } } });
    case 'resumed':
      return pythonJson({ type: 'executing', data: { node } });
    case 'garbled':
      return `{"type": "progress_state", "data": {"prompt_id": 7}}`;
    default:
      return pythonJson({
        type,
        data: { prompt_id: promptId, node, nodes: [`${n}`], output: {}, exception_message: `${n}` },
      });
  }
}

/** Which events the frames led to, with what is read by `newestFrames` or each by itself; and when. */
function eventsOf(frames: readonly Said[], isPressed: boolean): readonly (readonly [now: number, event: BoardEvent])[] {
  const clock = new VirtualTimeScheduler();
  const told: (readonly [number, BoardEvent])[] = [];
  const time = readingTime(() => clock.now());
  const texts = newestFrames({
    read: (bytes) => decoded(bytes, false, { clientId: 'c', serverUrl: 's', at: clock.now() }, () => undefined),
    tell: (events) => events.forEach((event) => told.push([clock.now(), event])),
    clock,
    time,
  });
  let at = 1;
  // As the socket lends its own bytes; frames that come at once are in one read.
  let lent: Buffer = Buffer.alloc(LENT_BYTES);
  let end = 0;
  const settle = (): void => {
    lent = texts.settle(lent);
    lent.fill((end = 0));
  };
  frames.forEach(({ afterMs, text }, n) => {
    at += afterMs;
    clock.schedule(() => {
      if (isPressed) time.press(clock.now());
      if (end + text.length > LENT_BYTES) settle();
      const start = end;
      end += lent.write(text, start);
      texts.take(lent, start, end);
      if (frames[n + 1]?.afterMs !== 0) settle();
    }, at);
  });
  clock.flush();
  return told;
}

const isProgress = ({ tag }: BoardEvent): boolean => tag === 'snapshot' || tag === 'stepped';

test('of arbitrary frames at arbitrary times none but progress is left out, the newest of a job is told in time, and order is kept', () => {
  fc.assert(
    fc.property(said, fc.boolean(), (frames, isPressed) => {
      const every = frames.flatMap(({ text }) =>
        decoded(Buffer.from(text), false, { clientId: 'c', serverUrl: 's', at: 0 }, () => undefined),
      );
      const told = eventsOf(frames, isPressed);
      const content = ({ cameAt: _, ...event }: BoardEvent & { cameAt?: number }) => ({ ...event, at: 0 });
      const others = told.map(([, event]) => content(event)).filter((event) => !isProgress(event));
      expect(others).toEqual(every.filter((event) => !isProgress(event)).map(content));
      for (const promptId of jobs) {
        const mine = told
          .map(([, event]) => event)
          .filter((event) => 'promptId' in event && event.promptId === promptId);
        const all = every.filter((event) => 'promptId' in event && event.promptId === promptId);
        // A subsequence of what was said, in which nothing but progress is missing.
        let n = 0;
        for (const event of all)
          if (n < mine.length && JSON.stringify(content(mine[n]!)) === JSON.stringify(content(event))) n += 1;
          else expect(isProgress(event)).toBe(true);
        expect(n).toBe(mine.length);
        // The newest snapshot of a run of them is among what was told.
        const newest = all.findLast(({ tag }) => tag === 'snapshot');
        if (newest !== undefined) expect(mine.map(content)).toContainEqual(content(newest));
      }
    }),
    { numRuns: runs(120) },
  );
});

test('the first of a burst is told at once, then some twenty-five a second, and the last within a tenth of one', () => {
  const burst = Array.from({ length: 1_000 }, (_, n): Said => ({
    afterMs: 1,
    text: textOf('progress_state', 'a', '1', n),
  }));
  const told = eventsOf(burst, false);
  expect(told[0]?.[0]).toBe(2);
  expect(told.length).toBeGreaterThanOrEqual(24);
  expect(told.length).toBeLessThanOrEqual(27);
  expect(told.at(-1)?.[0]).toBeLessThanOrEqual(1_001 + 100);
  expect(told.at(-1)?.[1]).toMatchObject({ nodes: [{ value: 999 }] });
});

test('frames that come as often as ComfyUI sends them never wait', () => {
  const frames = Array.from({ length: 20 }, (_, n): Said => ({
    afterMs: 95,
    text: textOf('progress_state', 'a', '1', n),
  }));
  expect(eventsOf(frames, false).map(([at]) => at)).toEqual(frames.map((_, n) => 1 + 95 * (n + 1)));
});

test('what waited says when it came', () => {
  const frames = [0, 5, 5].map((afterMs, n): Said => ({ afterMs, text: textOf('progress_state', 'a', '1', n) }));
  const told = eventsOf(frames, false).map(([, event]) => event);
  expect(told).toMatchObject([
    { at: 1, nodes: [{ value: 0 }] },
    { cameAt: 11, nodes: [{ value: 2 }] },
  ]);
  expect(told[0]).not.toHaveProperty('cameAt');
});

test('`progress` is read where no `progress_state` says the same, and of each node', () => {
  const frames = [...Array(6).keys()].map((n): Said => ({
    afterMs: 5,
    text: textOf('progress', 'a', n < 3 ? '1' : '2', n),
  }));
  const told = eventsOf(frames, false).map(([, event]) => event);
  expect(told).toMatchObject([
    { tag: 'stepped', nodeId: '1', value: 0 },
    { tag: 'stepped', nodeId: '1', value: 2 },
    { tag: 'stepped', nodeId: '2', value: 5 },
  ]);
});

test('bytes in which frames of two jobs wait are not written over until both are read or overtaken', () => {
  const [, b = '', c = ''] = jobs;
  const said = (afterMs: number, promptId: string, n: number): Said => ({
    afterMs,
    text: textOf('progress_state', promptId, '1', n),
  });
  const frames = [said(0, b, 1), said(0, c, 1), said(5, b, 2), said(0, c, 2), ...[3, 4, 5].map((n) => said(5, b, n))];
  const events = eventsOf(frames, false).map(([, event]) => event);
  const steps = events.map((event) => event.tag === 'snapshot' && [event.promptId, event.nodes[0]?.value]);
  expect(steps).toEqual(
    expect.arrayContaining([
      [b, 1],
      [c, 1],
      [b, 5],
      [c, 2],
    ]),
  );
  expect(steps).toHaveLength(4);
});

/** A socket that is too full, of whose frames each takes a millisecond to read. */
function slowlyRead() {
  const clock = new VirtualTimeScheduler();
  let spentMs = 0;
  const turns = jest.spyOn(clock, 'schedule');
  /** Bytes of each frame that was read, and after how many turns were asked for. */
  const reads: { readonly bytes: number; readonly turn: number }[] = [];
  const time = readingTime(() => spentMs);
  const texts = newestFrames({
    read: ({ length }) => {
      spentMs += 1;
      reads.push({ bytes: length, turn: turns.mock.calls.length });
      return [];
    },
    tell: () => undefined,
    clock,
    time,
  });
  const take = (job: number, bytes: number): void => {
    time.press(clock.now());
    const frame = Buffer.from(textOf('progress_state', `job-${job}`, '1', 1).padEnd(bytes));
    texts.take(frame, 0, bytes);
    texts.settle(frame);
  };
  return { clock, reads, take };
}

test('[R16] frames of many jobs that wait hold so many bytes of one socket and no more, those of overtaken ones too', () => {
  const { clock, reads, take } = slowlyRead();
  const [long, short] = [128 << 10, 1 << 10];
  const jobs = (1.5 * bounds.waitingFramesBytes) / long;
  for (let job = 0; job < jobs; job += 1) for (const bytes of [long, short]) take(job, bytes);
  const mostWaiting = bounds.waitingFramesBytes / long;
  expect(reads.filter(({ bytes }) => bytes === long).length).toBeGreaterThanOrEqual(jobs - mostWaiting);
  clock.flush();
  expect(reads.filter(({ bytes }) => bytes === short)).toHaveLength(jobs);
});

test('[R16] what waits is read some milliseconds a turn of the event loop', () => {
  const { clock, reads, take } = slowlyRead();
  for (let job = 0; job < 500; job += 1) take(job, 1 << 10);
  const before = reads.length;
  clock.flush();
  expect(reads).toHaveLength(500);
  const inTurn = new Map<number, number>();
  for (const { turn } of reads.slice(before)) inTurn.set(turn, (inTurn.get(turn) ?? 0) + 1);
  expect(Math.max(...inTurn.values())).toBe(5);
});
