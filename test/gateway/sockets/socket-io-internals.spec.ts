import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, Socket } from 'socket.io';
import { encodedEnd, encodedState } from '../../../gateway/sockets/encoded-state';
import {
  forgetAcks,
  internalsCheck,
  replaceRequest,
  writeAcknowledged,
  writeTogether,
} from '../../../gateway/sockets/socket-io-internals';
import type { PublicJob } from '../../../gateway/wire/public-job';
import { steps } from '../../support/comfyui/workflows';
import { eventually } from '../../support/until';
import { client, connected, heard, join, statesOf, type Client } from '../support/sockets/client';
import { runningGateway, type RunningGateway } from '../support/running-gateway';

/** Parts of a real socket that its types do not name. */
interface Parts {
  acks?: unknown;
  readonly conn: {
    readonly transport: { readonly socket: { readonly _sender: object }; writable?: unknown };
  };
}

let io: Server;
let peer: Client;
let socket: Socket;
let parts: Parts;

beforeEach(async () => {
  const http = createServer();
  io = new Server(http, { transports: ['websocket'], serveClient: false });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const came = once(io, 'connection') as Promise<[Socket]>;
  peer = client({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
  await heard(peer, 'connect');
  [socket] = await came;
  parts = socket as unknown as Parts;
});
afterEach(async () => {
  jest.restoreAllMocks();
  peer.disconnect();
  await io.close();
});

/** What the check says of two sockets that are alike. */
function checked(): { readonly isServable: boolean; readonly told: unknown[][] } {
  const told: unknown[][] = [];
  const check = internalsCheck({ error: (...args: unknown[]) => void told.push(args) });
  const isServable = check(socket);
  expect(check(socket)).toBe(isServable);
  return { isServable, told };
}

test('the Socket.IO that is installed has all parts', () => expect(checked()).toEqual({ isServable: true, told: [] }));

const version = expect.stringMatching(/^\d+\.\d+\.\d+$/) as string;

test.each<[string, boolean, () => void]>([
  ['acks', true, () => delete parts.acks],
  ['conn.request', true, () => Object.defineProperty(socket.conn, 'request', { get: () => ({}) })],
  ['conn.write', true, () => Object.assign(socket.conn, { write: undefined })],
  ['wsPreEncodedFrame', true, () => Object.assign(parts.conn.transport, { _canSendPreEncodedFrame: undefined })],
  ['conn.transport.writable', false, () => delete parts.conn.transport.writable],
])(
  '[%s] is named once where it is missing, with the versions, and sockets are served: %p',
  (name, isServable, lose) => {
    lose();
    expect(checked()).toEqual({
      isServable,
      told: [[{ missing: [name], 'socket.io': version, 'engine.io': version }, expect.any(String)]],
    });
    // None throws for what is missing.
    forgetAcks(socket);
    replaceRequest(socket, {});
  },
);

const aState = { promptId: 'a', seq: 1, metadata: { title: 'é🎨' } } as unknown as PublicJob;

const another = { ...aState, seq: 2 };

/** The states that the client is told, once they are so many. */
const toldTo = (many: number): Promise<readonly unknown[]> =>
  new Promise((resolve) => {
    const states: unknown[] = [];
    peer.on('job:state', (state) => {
      if (states.push(state) === many) resolve(states);
    });
  });

test('a frame that was encoded before goes to `ws` as it is, and a client gets it as an ordinary event', async () => {
  const sendFrame = jest.spyOn(parts.conn.transport.socket._sender, 'sendFrame' as never);
  const encoded = encodedState(aState);
  expect(writeTogether(socket, [encoded])).toBe(true);
  expect(await heard(peer, 'job:state')).toEqual([aState]);
  expect(sendFrame).toHaveBeenCalledWith(encoded.options.wsPreEncodedFrame, expect.anything());
});

test('several go in one write, and the client gets each', async () => {
  const sendFrame = jest.spyOn(parts.conn.transport.socket._sender, 'sendFrame' as never);
  const told = toldTo(2);
  expect(writeTogether(socket, [aState, another].map(encodedState))).toBe(true);
  expect(await told).toEqual([aState, another]);
  expect(sendFrame).toHaveBeenCalledTimes(1);
});

test('without such frames the client gets the same events', async () => {
  const { transport } = parts.conn;
  Object.assign(transport, { _canSendPreEncodedFrame: () => false });
  const told = toldTo(2);
  writeTogether(socket, [aState, another].map(encodedState));
  expect(await told).toEqual([aState, another]);
});

test('an acknowledgement that a socket owes is forgotten once it is gone, not when its time is over', async () => {
  const told = jest.fn();
  socket.timeout(60_000).emit('job:state', aState, told);
  const gone = once(socket, 'disconnect');
  peer.disconnect();
  await gone;
  expect(told).not.toHaveBeenCalled();
  forgetAcks(socket);
  expect(told.mock.calls).toEqual([[null]]);
});

describe('an end that asks to be acknowledged', () => {
  const write = (ms: number): Promise<boolean> =>
    new Promise((told) => {
      expect(writeAcknowledged(socket, (id) => encodedEnd(aState, id), ms, told)).toBe(true);
    });

  test('is told as heard once the client says so, beside those that Socket.IO asks for', async () => {
    peer.on('job:state', (_job: PublicJob, ...[acknowledge]: unknown[]) => (acknowledge as () => void)());
    const asked = socket.timeout(60_000).emitWithAck('job:state', another);
    expect(await Promise.all([write(60_000), write(60_000)])).toEqual([true, true]);
    await asked;
    expect(parts.acks).toEqual(new Map());
  });

  test('is told as not heard once its time is over, and owed no more', async () => {
    const told = heard(peer, 'job:state');
    expect(await write(50)).toBe(false);
    expect((await told)[0]).toEqual(aState);
    expect(parts.acks).toEqual(new Map());
  });

  test('is forgotten with its socket', async () => {
    const told = write(60_000);
    forgetAcks(socket);
    expect(await told).toBe(true);
  });

  test('is left to Socket.IO where that has no `acks` any more', () => {
    delete parts.acks;
    expect(
      writeAcknowledged(
        socket,
        (id) => encodedEnd(aState, id),
        50,
        () => undefined,
      ),
    ).toBe(false);
  });
});

describe('a gateway', () => {
  const log: string[] = [];
  const told = () => log.filter((line) => line.includes('lacks private parts'));
  let gateway: RunningGateway;
  beforeEach(async () => {
    gateway = await runningGateway({ heard: (line) => void log.push(line) });
  });
  afterEach(async () => {
    await gateway.close();
    log.splice(0);
  });
  /** Joins a job, which goes on from there: an end that came before would be in the answer alone. */
  const joinJob = async (reader: Client): Promise<void> => {
    gateway.comfy.faults.mostSteps = 3;
    const job = await gateway.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
    await join(reader, job.promptId);
    gateway.comfy.faults.mostSteps = Infinity;
  };

  test('tells states by `emit` where there is no `write`', async () => {
    const engine = Object.getPrototypeOf(socket.conn) as { write: unknown };
    const { write } = engine;
    // Socket.IO writes by it too: here, by its other name.
    const writing = Object.getPrototypeOf(socket.client) as { writeToEngine(packets: string[]): void };
    jest.spyOn(writing, 'writeToEngine').mockImplementation(function (this: typeof socket.client, packets) {
      packets.forEach((packet) => this.conn.send(packet));
    });
    engine.write = undefined;
    const reader = await connected(gateway);
    const states = statesOf(reader);
    await joinJob(reader);
    await eventually(() => expect(states.at(-1)).toMatchObject({ status: 'completed' }));
    expect(states.some(({ status }) => status === 'processing')).toBe(true);
    expect(told()).toEqual([expect.stringContaining('"missing":["conn.write"]')]);
    reader.disconnect();
    engine.write = write;
  });

  test('disconnects each socket where none says whether it is drained, and logs that once', async () => {
    // True, as engine.io needs it, and no boolean.
    const writable = { configurable: true, get: () => 1, set: () => undefined };
    const transport = Object.getPrototypeOf(parts.conn.transport) as object;
    Object.defineProperty(transport, 'writable', writable);
    for (const reader of [client(gateway), client(gateway)]) expect(await heard(reader, 'disconnect')).toBeDefined();
    expect(told()).toEqual([expect.stringContaining('each is disconnected')]);
    Reflect.deleteProperty(transport, 'writable');
  });

  test('forgets the acknowledgement of an end that its reader left without', async () => {
    const taken = jest.spyOn(Socket.prototype, '_onpacket' as never);
    const reader = await connected(gateway);
    const states = statesOf(reader);
    await joinJob(reader);
    await eventually(() => expect(states.at(-1)).toMatchObject({ status: 'completed' }));
    const { acks } = taken.mock.contexts[0] as unknown as { readonly acks: Map<number, () => void> };
    const owed = [...acks].map(([id, acknowledge]) => {
      const heeded = jest.fn(acknowledge);
      acks.set(id, heeded);
      return heeded;
    });
    expect(owed).toHaveLength(1);
    reader.disconnect();
    await eventually(() => expect(owed[0]).toHaveBeenCalledTimes(1));
  });
});
