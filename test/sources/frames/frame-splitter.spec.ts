import fc from 'fast-check';
import type { Writable } from 'node:stream';
import * as ws from 'ws';
import { frameSplitter } from '../../../sources/frames/frame-splitter';
import { mayBeOvertakable } from '../../../sources/frames/frame-head';
import { runs } from '../../support/jest/runs';

/** What `ws` reads frames with: its types do not tell of it. */
const { Receiver } = ws as unknown as { readonly Receiver: new (options: object) => Writable };

const ANSWER = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n';
const MOST = 4_096;

interface Sent {
  readonly opcode: number;
  readonly fin: boolean;
  readonly payload: Buffer;
}

/** One frame, unmasked, as servers send it (RFC 6455, 5.2). */
function bytesOf({ opcode, fin, payload }: Sent): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

const state = (id: string, more = ''): string =>
  `{"type": "progress_state", "data": {"prompt_id": "${id}", "nodes": {}${more}}}`;
const step = (id: string): string =>
  `{"type": "progress", "data": {"value": 1, "max": 20, "prompt_id": "${id}", "node": "3"}}`;

const text = fc.oneof(
  fc.constantFrom('a', 'b', 'c').map((id) => state(id)),
  fc.nat({ max: 6_000 }).map((length) => state('long', 'x'.repeat(length))),
  fc.constantFrom('a', 'b').map(step),
  fc.constantFrom('{"type": "status", "data": {}}', '{"type": "progress"', '{"type": "progress_st', '', '{'),
  fc.string({ maxLength: 300 }),
);
const whole = fc.record({
  opcode: fc.constant(1),
  fin: fc.constant(true),
  payload: text.map((each) => Buffer.from(each)),
});
const binary = fc
  .uint8Array({ maxLength: 70_000 })
  .map((bytes): Sent => ({ opcode: 2, fin: true, payload: Buffer.from(bytes) }));
const ping = fc
  .uint8Array({ maxLength: 125 })
  .map((bytes): Sent => ({ opcode: 9, fin: true, payload: Buffer.from(bytes) }));
/** A message in pieces, with a ping between them. */
const pieces = fc.tuple(text, fc.nat({ max: 50 })).map(([each, at]): readonly Sent[] => [
  { opcode: 1, fin: false, payload: Buffer.from(each.slice(0, at)) },
  { opcode: 9, fin: true, payload: Buffer.from('still there?') },
  { opcode: 0, fin: true, payload: Buffer.from(each.slice(at)) },
]);
const sent = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: whole.map((one): readonly Sent[] => [one]) },
      { weight: 1, arbitrary: binary.map((one): readonly Sent[] => [one]) },
      { weight: 1, arbitrary: ping.map((one): readonly Sent[] => [one]) },
      { weight: 1, arbitrary: pieces },
    ),
    { maxLength: 40 },
  )
  .map((groups) => groups.flat());

/** What is said, in the order in which it is heard, and how much of that was taken before `ws`. */
function heard(
  bytes: Buffer,
  sizes: readonly number[],
): { readonly messages: readonly string[]; readonly taken: number } {
  const messages: string[] = [];
  let taken = 0;
  const receiver = new Receiver({ skipUTF8Validation: true });
  receiver.on('message', (message: Buffer, isBinary: boolean) =>
    messages.push(`${isBinary ? 'b' : 't'}${message.toString('latin1')}`),
  );
  receiver.on('ping', (message: Buffer) => messages.push(`p${message.toString('latin1')}`));
  let answer = '';
  let late: (() => void)[] = [];
  let settled = 0;
  const splitter = frameSplitter({
    mostBytes: MOST,
    isOvertakable: mayBeOvertakable,
    take: (from, start, end) => {
      taken += 1;
      const at = messages.length;
      messages.push('not settled');
      // Read as late as it may be.
      late.push(() => (messages[at] = `t${from.toString('latin1', start, end)}`));
    },
    settle: (read) => {
      late.forEach((message) => message());
      late = [];
      settled += 1;
      return settled % 3 === 0 ? Buffer.alloc(MOST) : read;
    },
    pass: (some) => {
      if (answer.length < ANSWER.length) answer += some.toString('latin1');
      else receiver.write(some);
    },
  });
  let at = 0;
  for (let n = 0; at < bytes.length; n += 1) {
    const space = splitter.space();
    const size = Math.min(space.length, Math.max(1, sizes[n % sizes.length] ?? 1), bytes.length - at);
    bytes.copy(space, 0, at, at + size);
    splitter.put(size);
    at += size;
  }
  expect(answer).toBe(ANSWER);
  return { messages, taken };
}

/** What `ws` alone makes of it. */
function heardByWs(bytes: Buffer): readonly string[] {
  const messages: string[] = [];
  const receiver = new Receiver({ skipUTF8Validation: true });
  receiver.on('message', (message: Buffer, isBinary: boolean) =>
    messages.push(`${isBinary ? 'b' : 't'}${message.toString('latin1')}`),
  );
  receiver.on('ping', (message: Buffer) => messages.push(`p${message.toString('latin1')}`));
  receiver.write(bytes);
  return messages;
}

test('whatever is sent, in whatever pieces it comes, is heard as `ws` hears it, in the same order', () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 5_000 })), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(sent, sizes, (frames, sizes) => {
      const bytes = Buffer.concat(frames.map(bytesOf));
      expect(heard(Buffer.concat([Buffer.from(ANSWER), bytes]), sizes).messages).toEqual(heardByWs(bytes));
    }),
    { numRuns: runs(120) },
  );
});

test('frames that a newer one may overtake are taken before `ws`, all others are not', () => {
  const texts = [state('a'), '{"type": "status"}', step('a'), state('b'), state('c', 'x'.repeat(5_000))];
  const bytes = Buffer.concat(texts.map((each) => bytesOf({ opcode: 1, fin: true, payload: Buffer.from(each) })));
  expect(heard(Buffer.concat([Buffer.from(ANSWER), bytes]), [MOST])).toEqual({
    messages: texts.map((each) => `t${each}`),
    taken: 3,
  });
});

test.each(['HTTP/1.1 404 Not Found\r\n\r\n<html>', 'HTTP/1.1 200 OK\r\n\r\n', 'nonsense'])(
  'what is no answer to the handshake goes on untouched: %j',
  (answer) => {
    const passed: Buffer[] = [];
    const never = (): never => {
      throw new Error('nothing is to be taken');
    };
    const splitter = frameSplitter({
      mostBytes: MOST,
      isOvertakable: () => true,
      take: never,
      settle: never,
      pass: (some) => passed.push(some),
    });
    const bytes = Buffer.concat([
      Buffer.from(answer),
      bytesOf({ opcode: 1, fin: true, payload: Buffer.from(state('a')) }),
    ]);
    for (let at = 0; at < bytes.length; at += 7) {
      const size = bytes.copy(splitter.space(), 0, at, at + 7);
      splitter.put(size);
    }
    expect(Buffer.concat(passed).equals(bytes)).toBe(true);
  },
);
