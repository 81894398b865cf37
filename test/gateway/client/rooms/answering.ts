import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Observable } from 'rxjs';
import { Server } from 'socket.io';
import { jobstream, type Jobstream, type JobstreamError, type JobState } from '../../../../gateway/client';
import type { Heard, LiveJobs, RefusalCode, Reply, ServerEvents, WatchReply } from '../../../../gateway/wire/protocol';
import { aRun } from '../../support/a-running-job';

/** A job's state as a client sees it; as far as its number. */
export const state = (promptId: string, seq: number, more: Partial<JobState> = {}): JobState => ({
  ...aRun(promptId, seq),
  server: 'server-1',
  ...more,
});
export const end = (promptId: string, seq: number) => state(promptId, seq, { status: 'completed', progress: 100 });
export const refusal = (code: RefusalCode): Reply & WatchReply => ({
  ok: false,
  error: { code, message: `it is ${code}` },
});

/** The gateway of the running test, and a client of it. */
export let io: Server<Heard, ServerEvents>;
export let client: Jobstream;
/** All that clients sent. */
export let asked: string[];

/** What joins and watches are answered with; joins, where nothing is left, not at all. */
export interface Answers {
  readonly joins: Reply[];
  readonly live?: LiveJobs;
}

/** A server that answers as a gateway does, with what is there when it is asked. */
export async function openGateway(answers: () => Answers): Promise<void> {
  asked = [];
  const http = createServer();
  io = new Server(http, { transports: ['websocket'] });
  io.on('connection', (socket) => {
    socket.onAny((event: string, ...args: unknown[]) => {
      const { joins, live = { jobs: [], more: false } } = answers();
      asked.push([event, ...args].filter((arg) => typeof arg === 'string').join(' '));
      const ack = args.at(-1) as ((reply: unknown) => void) | undefined;
      if (event === 'job:join' && joins.length > 0) ack?.(joins.shift());
      if (event === 'jobs:watch') ack?.({ ok: true, ...live });
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  client = jobstream({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
}

export async function closeGateway(): Promise<void> {
  client.close();
  await io.close();
}

/** What an observable has told, and how it ended. */
export interface Seen<T> {
  readonly values: T[];
  error?: JobstreamError;
  completed: boolean;
  leave(): void;
}

export function seen<T>(value$: Observable<T>): Seen<T> {
  const got: Seen<T> = { values: [], completed: false, leave: () => subscription.unsubscribe() };
  const subscription = value$.subscribe({
    next: (value) => got.values.push(value),
    error: (error: unknown) => (got.error = error as JobstreamError),
    complete: () => (got.completed = true),
  });
  return got;
}

export const seqs = ({ values }: Seen<JobState>) => values.map(({ promptId, seq }) => `${promptId}${seq}`);
export const cutAll = () => io.sockets.sockets.forEach((socket) => socket.conn.close());
