import type { Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { Decoder } from 'socket.io-parser';
import { encodedState } from '../../../gateway/sockets/encoded-state';
import type { PublicJob } from '../../../gateway/wire/public-job';

/** What its types do not name. */
const { Receiver } = WebSocket as unknown as { readonly Receiver: new (options: object) => Writable };
const job = (padding: string) => ({ promptId: 'a', seq: 1, metadata: { padding } }) as unknown as PublicJob;

/** What a client's `ws` makes of the frame. */
const received = (frame: readonly Buffer[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const receiver = new Receiver({ isServer: false });
    receiver.on('message', (bytes: Buffer) => resolve(bytes.toString())).on('error', reject);
    for (const chunk of frame) receiver.write(chunk);
  });

test.each([0, 20, 60, 125, 126, 60_000, 65_400, 65_535, 65_536, 200_000])(
  'a state with %d characters more arrives as `emit` would have sent it',
  async (length) => {
    const state = job('é🎨x'.repeat(Math.ceil(length / 4)).slice(0, length));
    const { text, options } = encodedState(state);
    expect(await received(options.wsPreEncodedFrame)).toBe(`4${text}`);
    const packet = await new Promise<{ data: unknown }>((resolve) => {
      const decoder = new Decoder();
      decoder.on('decoded', resolve as never);
      decoder.add(text);
    });
    expect(packet.data).toEqual(['job:state', JSON.parse(JSON.stringify(state))]);
  },
);

test('it is encoded once', () => {
  const state = job('');
  expect(encodedState(state)).toBe(encodedState(state));
});
