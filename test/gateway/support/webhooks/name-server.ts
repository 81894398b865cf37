import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { eventually } from '../../../support/until';

const HEADER_BYTES = 12;
const TYPE_A = 1;

/**
 * A DNS server on this machine. It answers questions for IPv4 addresses with `addressOf`, and keeps silent on
 * `undefined`; there are no addresses of other kinds.
 */
export async function nameServer(addressOf: () => string | undefined) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  const open: { readonly query: Buffer; readonly from: RemoteInfo }[] = [];
  let asked = 0;
  const answer = (query: Buffer, { port, address }: RemoteInfo, code: number, found?: string): void => {
    // The question: its name's labels to the empty one, its type and its class.
    const question = query.subarray(HEADER_BYTES, query.indexOf(0, HEADER_BYTES) + 5);
    const header = Buffer.from([
      ...query.subarray(0, 2),
      0x81,
      0x80 + code,
      0,
      1,
      0,
      found === undefined ? 0 : 1,
      0,
      0,
      0,
      0,
    ]);
    const record =
      found === undefined
        ? []
        : [0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 0, 0, 4, ...found.split('.').map(Number)];
    socket.send(Buffer.concat([header, question, Buffer.from(record)]), port, address);
  };
  socket.on('message', (query, from) => {
    const isForA = query.readUInt16BE(query.indexOf(0, HEADER_BYTES) + 1) === TYPE_A;
    if (!isForA) {
      answer(query, from, 0);
      return;
    }
    asked += 1;
    const found = addressOf();
    if (found === undefined) open.push({ query, from });
    else answer(query, from, 0, found);
  });
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    /** Resolves once so many questions for IPv4 addresses have come. */
    asked: (many: number) => eventually(() => expect(asked).toBeGreaterThanOrEqual(many)),
    /** Says that there are no such names as were asked for in vain. */
    refuseAll: () => open.splice(0).forEach(({ query, from }) => answer(query, from, 3)),
    close: () => socket.close(),
  };
}
