import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import type { Faults } from '../faults';
import { pythonJson } from './python-json';
import { sendFile } from './file-response';
import { answer, fileOf } from './routes';
import type { Response } from './routes';
import { upload } from './uploads';
import type { ServerProcess } from '../server-process';

/** One HTTP request that the server saw. */
export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** What was posted to `/prompt`, as it came. */
  body?: string;
  /** Absent while there is no answer. */
  status?: number;
}

/** The port a process listens on. */
export interface Listener {
  readonly port: number;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

/** Listens, and answers with that process and its faults. */
export async function listen(
  process: ServerProcess,
  { host, port }: { host: string; port: number },
  seen: SeenRequest[],
  posted: string[],
): Promise<Listener> {
  const connections = new Set<Socket>();
  const sockets = new WebSocketServer({ noServer: true, autoPong: false });
  const server = createServer((request, response) => {
    const entry: SeenRequest = { method: request.method ?? 'GET', path: request.url ?? '/' };
    seen.push(entry);
    respond(process, request, response, entry, posted).catch(() => response.destroy());
  });
  // As aiohttp's. After Node's five seconds, who is busy would send over a connection that is being closed.
  server.keepAliveTimeout = 75_000;
  server.on('connection', (connection: Socket) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection));
  });
  server.on('upgrade', (request: IncomingMessage, connection: Socket, head: Buffer) => {
    connection.on('error', () => undefined);
    void upgrade(process, sockets, request, connection, head);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections) connection.destroy();
      return closed;
    },
  };
}

/** Characters of a post that each request remembers. */
const MOST_REMEMBERED = 64 << 10;

async function respond(
  process: ServerProcess,
  request: IncomingMessage,
  response: ServerResponse,
  entry: SeenRequest,
  posted: string[],
) {
  const { faults } = process.setting;
  const bytes = await read(request);
  const body = bytes.toString();
  await faults.free();
  const { pathname, searchParams } = new URL(entry.path, 'http://localhost');
  if (faults.hangs(pathname)) return;
  const proxied = faults.statusFor(pathname);
  const isUpload = entry.method === 'POST' && /^(\/api)?\/upload\/(image|mask)$/.test(pathname);
  const isPrompt = entry.method === 'POST' && /^(\/api)?\/prompt$/.test(pathname);
  // Of large ones only the last few are remembered, as `posted`.
  if (isPrompt && body.length <= MOST_REMEMBERED) entry.body = body;
  if (isPrompt && posted.push(body) > 10) posted.shift();
  if (!proxied && isPrompt && faults.losesAnswer('before')) {
    request.socket.destroy();
    return;
  }
  const file = proxied || !/^(\/api)?\/view$/.test(pathname) ? undefined : fileOf(process, searchParams);
  if (file && faults.slowBodyMs === 0 && !faults.bodyTruncate) {
    sendFile(request, response, file, faults.viewing);
    entry.status = response.statusCode;
    return;
  }
  const result: Response = proxied
    ? { status: proxied.httpStatus, body: proxied.body, contentType: proxied.contentType ?? 'text/html' }
    : isUpload
      ? await upload(process.setting.files, bytes, request.headers['content-type'] ?? '')
      : answer(process, { method: entry.method, path: pathname, query: searchParams, body });
  if (!proxied && isPrompt && faults.losesAnswer('after')) {
    request.socket.destroy();
    return;
  }
  entry.status = result.status;
  await write(response, result, faults);
}

async function write(response: ServerResponse, { status, json, body, contentType }: Response, faults: Faults) {
  const bytes = Buffer.from(json === undefined ? (body ?? '') : pythonJson(json));
  const type = contentType ?? (json === undefined ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8');
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': bytes.length });
  if (faults.slowBodyMs === 0 && !faults.bodyTruncate) {
    response.end(bytes);
    return;
  }
  const half = bytes.length >> 1;
  response.flushHeaders();
  await new Promise((resolve) => response.write(bytes.subarray(0, half), resolve));
  await sleep(faults.slowBodyMs, undefined, { ref: false });
  if (faults.bodyTruncate) response.destroy();
  else response.end(bytes.subarray(half));
}

async function upgrade(
  process: ServerProcess,
  sockets: WebSocketServer,
  request: IncomingMessage,
  connection: Socket,
  head: Buffer,
) {
  const { faults } = process.setting;
  await faults.free();
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  if (faults.hangs(pathname)) return;
  const proxied = faults.statusFor(pathname);
  if (proxied) refuse(connection, proxied.httpStatus, proxied.body);
  else if (!/^(\/api)?\/ws$/.test(pathname)) refuse(connection, 404, '');
  else {
    const clientId = searchParams.get('clientId') ?? '';
    sockets.handleUpgrade(request, connection, head, (socket) =>
      process.sockets.accept(socket, clientId === '' ? undefined : clientId),
    );
  }
}

function refuse(connection: Socket, status: number, body: string): void {
  const head = `HTTP/1.1 ${status} Refused\r\nContent-Type: text/html\r\nContent-Length: ${Buffer.byteLength(body)}`;
  connection.end(`${head}\r\nConnection: close\r\n\r\n${body}`);
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
