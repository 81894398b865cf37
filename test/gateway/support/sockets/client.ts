import { once } from 'node:events';
import { io, type Socket } from 'socket.io-client';
import type { PreviewHead, Reply } from '../../../../gateway/wire/protocol';
import type { PublicJob } from '../../../../gateway/wire/public-job';
import { lookThrough } from '../../../support/jest/canary';

interface Heard {
  readonly 'job:state': (job: PublicJob) => void;
  readonly 'job:preview': (head: PreviewHead, image: Buffer) => void;
}
export type Client = Socket<Heard, Record<string, (...args: unknown[]) => void>>;

/** A Socket.IO client as a browser has one. Its own connection, not shared with others. */
export const client = ({ url }: { readonly url: string }, token?: string, headers?: Record<string, string>): Client =>
  io(url, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    ...(token !== undefined && { auth: { token } }),
    ...(headers && { extraHeaders: headers }),
  });

/** A client that is connected. Rejects if it is refused. */
export async function connected(gateway: { readonly url: string }, token?: string): Promise<Client> {
  const socket = client(gateway, token);
  await Promise.race([heard(socket, 'connect'), refused(socket)]);
  return socket;
}

/** Rejects once the connection is refused. */
export const refused = (socket: Client): Promise<never> =>
  new Promise((_resolve, reject) => {
    socket.once('connect_error', reject);
  });

export const join = (socket: Client, promptId: unknown): Promise<Reply> =>
  new Promise((resolve) => socket.emit('job:join', promptId, resolve));

/** The arguments of the next such event. */
export const heard = (socket: Client, event: string): Promise<unknown[]> => once(socket as never, event);

/** Every state that arrives from now on. */
export function statesOf(socket: Client): readonly PublicJob[] {
  const states: PublicJob[] = [];
  socket.on('job:state', (job) => {
    lookThrough('a state', JSON.stringify(job));
    states.push(job);
  });
  return states;
}
