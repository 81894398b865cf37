import { io, type Socket } from 'socket.io-client';
import { eventually } from '../support/eventually';
import { runningGateway, type RunningGateway } from '../support/running-gateway';

let gateway: RunningGateway;
const logged: string[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  gateway = await runningGateway({ heard: (line) => logged.push(line) });
});
afterAll(async () => {
  sockets.forEach((socket) => socket.disconnect());
  await gateway.close();
});

const linesWith = (words: string) => logged.filter((line) => line.includes(words));
const refusals = (socket: Socket): { readonly count: () => number } => {
  let count = 0;
  sockets.push(socket);
  socket.on('connect_error', () => (count += 1));
  return { count: () => count };
};
const again = { reconnectionDelay: 20, reconnectionDelayMax: 50, forceNew: true };

test('a page of an origin that is not allowed is named in the log, once for a while', async () => {
  const extraHeaders = { Origin: 'https://app.example.com' };
  const page = refusals(io(gateway.url, { transports: ['websocket'], extraHeaders, ...again }));
  await eventually(() => expect(page.count()).toBeGreaterThan(3));
  expect(linesWith('ORIGINS')).toHaveLength(1);
  expect(linesWith('ORIGINS')[0]).toContain('https://app.example.com');
});

test('a client that asks for polling is told of in the log', async () => {
  const client = refusals(io(gateway.url, again));
  await eventually(() => expect(client.count()).toBeGreaterThan(1));
  expect(linesWith("transports: ['websocket']")).toHaveLength(1);
});
