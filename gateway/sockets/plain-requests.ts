import { Router } from 'express';
import type { RefusalLog } from '../admission/refusal-log';
import { Problem } from '../wire/problem';

/** The path of Socket.IO. */
export const SOCKET_PATH = '/socket.io/';

/** Refuses plain HTTP at the path of sockets: Socket.IO's polling, which is what its clients try first by default. */
export const plainRequests = (refusals: RefusalLog): Router =>
  Router().use(SOCKET_PATH, ({ query }) => {
    const { transport } = query;
    if (typeof transport === 'string') refusals.transport(transport);
    throw new Problem('bad-request', { detail: "Only WebSockets are here: transports: ['websocket']." });
  });
