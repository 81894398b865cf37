import type { Readable } from 'node:stream';
import { ignoreElements, type Observable, type SchedulerLike } from 'rxjs';
import type { Backoff } from '../streams/operators/backoff';
import type { BoardEvent } from '../streams/board/board';
import type { Session } from '../streams/job-changes';
import type { Job } from '../streams/job/job';
import type { FileOutput } from '../streams/job/job-state';
import type { Report } from '../streams/operators/reporting';
import { cancel } from './cancel';
import { lookAt, lookup } from './lookup';
import { NoAnswer, rest } from './rest';
import type { ServerAddress } from './server-address';
import { defaultSocketTiming, webSocketSession, type SocketTiming } from './session';
import { defaultSubmitPolicy, submit, type Submission } from './submit';

/** A job's output file on its way from ComfyUI. */
export interface OutputBody {
  readonly body: Readable;
  readonly contentType: string;
  /** Bytes, where ComfyUI says. */
  readonly length?: number;
}

/** One ComfyUI server, all that we ask of it. */
export interface ComfyUIServer {
  readonly url: string;
  /** The job types it takes; all where absent. */
  readonly tags?: readonly string[];
  /** The session of this client id; a socket is opened when it is connected. */
  readonly session: (clientId: string) => Session;
  readonly look: (jobs: readonly Job[]) => Observable<BoardEvent>;
  readonly submit: (submission: Submission) => Observable<BoardEvent>;
  /** Completes once the server was asked to stop this job. Errors with `NoAnswer`. */
  readonly cancel: (promptId: string) => Observable<never>;
  /** Makes the server free the memory it holds. Completes once it did. Errors with `NoAnswer`. */
  readonly free: () => Observable<never>;
  /** The file, or `undefined` where the server has none such. Rejects with `NoAnswer`. */
  readonly view: (output: FileOutput) => Promise<OutputBody | undefined>;
  /** When it answered the last request, in ms since 1970; 0 where it did not, or was not asked yet. */
  readonly answeredAt: () => number;
  readonly close: () => Promise<void>;
}

export interface ServerPolicy {
  readonly clock: SchedulerLike;
  readonly backoff: Backoff;
  readonly socketTiming?: Partial<SocketTiming>;
}

export function comfyUIServer(
  address: ServerAddress,
  { clock, backoff, socketTiming }: ServerPolicy,
  report: Report,
): ComfyUIServer {
  const client = rest(address);
  const routes = lookup(client.get);
  return {
    url: address.url,
    ...(address.tags !== undefined && { tags: address.tags }),
    session: (clientId) =>
      webSocketSession({ address, clientId, clock, report, timing: { ...defaultSocketTiming, ...socketTiming } }),
    look: lookAt(routes, clock),
    submit: (submission) =>
      submit({ rest: client, lookup: routes }, submission, { ...defaultSubmitPolicy, backoff, clock }, report),
    cancel: (promptId) => cancel(client, promptId),
    free: () => client.post('/free', '{"unload_models":true,"free_memory":true}').pipe(ignoreElements()),
    view: async ({ filename, subfolder, type }) => {
      const { statusCode, headers, body } = await client.open(
        `/view?${new URLSearchParams({ filename, subfolder, type }).toString()}`,
      );
      if (statusCode === 200) {
        const length = Number(headers['content-length']);
        return {
          body,
          contentType: String(headers['content-type'] ?? 'application/octet-stream'),
          ...(length > 0 && { length }),
        };
      }
      await body.dump();
      if (statusCode === 404) return undefined;
      throw new NoAnswer(`/view: status ${statusCode}`, true);
    },
    answeredAt: client.answeredAt,
    close: client.close,
  };
}
