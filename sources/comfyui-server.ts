import { ignoreElements, type Observable, type SchedulerLike } from 'rxjs';
import type { Backoff } from '../streams/operators/backoff';
import type { BoardEvent } from '../streams/board/board';
import type { SessionSockets } from '../streams/changes/job-changes';
import type { Job } from '../streams/job/job';
import type { Report } from '../streams/operators/reporting';
import { cancel } from './rest/cancel';
import { findPosted } from './looks/find-posted';
import { lookUp } from './looks/look-up';
import type { IsOurs } from './looks/other-workflows';
import { jobRoutes } from './looks/job-routes';
import { rest } from './rest/rest';
import { askedRequests, type AskedRequest } from './telemetry/asked-requests';
import type { SocketListener } from './telemetry/socket-listener';
import type { ReadingTime } from './frames/reading-time';
import type { ServerAddress } from './server-address';
import { defaultSocketTiming, webSocketSession, type SocketTiming } from './session';
import { uploads, type InputFile, type StoredInput } from './files/upload';
import { defaultSubmitPolicy, type Submission } from './rest/submission';
import { submit } from './rest/submit';
import { view, type FileName, type OutputBody } from './files/view';

export type { OutputBody };

/** One ComfyUI server, and all requests to it. */
export interface ComfyUIServer {
  readonly url: string;
  readonly name: string;
  /** The job types it takes; all where absent. */
  readonly tags?: readonly string[];
  /** The client id of the instance's own session; generated if absent. */
  readonly clientId?: string;
  /** The session of this client id; each `connect` of it opens a socket. */
  readonly session: (clientId: string) => SessionSockets;
  readonly lookUp: (jobs: readonly Job[], isOurs?: IsOurs) => Observable<BoardEvent>;
  readonly submit: (submission: Submission) => Observable<BoardEvent>;
  /** Completes once the server was asked to stop this job. Errors with `NoAnswer`. */
  readonly cancel: (promptId: string) => Observable<never>;
  /** Asks the server to free the memory it holds. Completes once it answered. Errors with `NoAnswer`. */
  readonly free: () => Observable<never>;
  /**
   * The file; a part of it if a `range` is given and served; `undefined` if the server has no such file. Rejects with
   * `NoAnswer`.
   */
  readonly view: (file: FileName, range?: string) => Promise<OutputBody | undefined>;
  /** Stores a file in the server's input folder. Rejects with `InputRefused` or `NoAnswer`. */
  readonly upload: (file: InputFile) => Promise<StoredInput>;
  /** When it answered the last request, in ms since 1970; 0 where it did not, or was not asked yet. */
  readonly answeredAt: () => number;
  readonly close: () => Promise<void>;
}

export interface ServerPolicy {
  readonly clock: SchedulerLike;
  readonly backoff: Backoff;
  readonly socketTiming?: Partial<SocketTiming>;
  /** Shared by all servers of the instance. */
  readonly time?: ReadingTime;
  readonly listener?: ServerListener;
}

/** Called for a server's sockets and for each request to it, submits and cancels included; not for files. */
export interface ServerListener extends SocketListener {
  readonly requested: (request: AskedRequest) => void;
}

export function comfyUIServer(
  address: ServerAddress,
  { clock, backoff, socketTiming, time, listener }: ServerPolicy,
  report: Report,
): ComfyUIServer {
  const about: Report = (where, error) => report(where, error, address.url);
  const plain = rest(address, undefined, clock);
  const client = listener ? askedRequests(plain, listener.requested) : plain;
  const inputs = uploads(address);
  const routes = jobRoutes(client);
  const posts = { rest: client, routes, find: findPosted(routes, clock) };
  return {
    url: address.url,
    name: address.name,
    ...(address.tags !== undefined && { tags: address.tags }),
    ...(address.clientId !== undefined && { clientId: address.clientId }),
    session: (clientId) =>
      webSocketSession({
        address,
        clientId,
        clock,
        report: about,
        timing: { ...defaultSocketTiming, ...socketTiming },
        ...(time !== undefined && { time }),
        ...(listener && { listener }),
      }),
    lookUp: lookUp(routes, clock),
    submit: (submission) => submit(posts, submission, { ...defaultSubmitPolicy, backoff, clock }, about),
    cancel: (promptId) => cancel(client, routes, promptId),
    free: () => client.post('/free', '{"unload_models":true,"free_memory":true}').pipe(ignoreElements()),
    view: view(client.open),
    answeredAt: client.answeredAt,
    upload: inputs.upload,
    close: async () => {
      await Promise.all([client.close(), inputs.close()]);
    },
  };
}
