import { defer, tap } from 'rxjs';
import type { ComfyUIServer, ServerListener } from '../../sources/comfyui-server';
import { NoAnswer } from '../../sources/rest/no-answer';
import { traced } from './spans';
import type { ServerEvent, Telemetry } from './telemetry-event';
import { timed } from './timed';

/** The server with a span around each look and post; also tells `tell` of looks, posts and requests for files. */
export function observedServer(server: ComfyUIServer, tell: Telemetry | undefined): ComfyUIServer {
  const { name } = server;
  const attributes = { 'jobstream.server': name };
  const lookUp: ComfyUIServer['lookUp'] = (jobs, isOurs) =>
    server.lookUp(jobs, isOurs).pipe(traced('jobstream.look', { ...attributes, 'jobstream.jobs': jobs.length }));
  const submit: ComfyUIServer['submit'] = (submission) =>
    server.submit(submission).pipe(traced('jobstream.post', attributes));
  if (tell === undefined) return { ...server, lookUp, submit };
  return {
    ...server,
    lookUp: (jobs, isOurs) =>
      lookUp(jobs, isOurs).pipe(
        timed((outcome, ms) => tell({ tag: 'looked', server: name, jobs: jobs.length, outcome, ms })),
      ),
    submit: (submission) =>
      defer(() => {
        let failedTries = 0;
        const onTrouble = (error: NoAnswer): void => {
          failedTries += 1;
          tell({ tag: 'postFailed', server: name });
          submission.onTrouble?.(error);
        };
        return submit({ ...submission, onTrouble }).pipe(
          tap((event) => {
            if (event.tag === 'accepted') tell({ tag: 'posted', server: name, failure: undefined, failedTries });
            if (event.tag === 'refused')
              tell({ tag: 'posted', server: name, failure: event.failure.kind, failedTries });
          }),
        );
      }),
    view: (file, range) => asked('GET', '/view', name, tell, () => server.view(file, range)),
    upload: (file) =>
      asked('POST', file.maskOf === undefined ? '/upload/image' : '/upload/mask', name, tell, () =>
        server.upload(file),
      ),
  };
}

/** Tells of a request for a file, which does not go through `Rest`. */
async function asked<T>(
  method: 'GET' | 'POST',
  path: string,
  server: string,
  tell: Telemetry,
  ask: () => Promise<T>,
): Promise<T> {
  const began = performance.now();
  const told = (outcome: 'answered' | 'unanswered'): void =>
    tell({ tag: 'requested', server, method, path, outcome, ms: performance.now() - began });
  try {
    const answer = await ask();
    told('answered');
    return answer;
  } catch (error) {
    told(error instanceof NoAnswer ? 'unanswered' : 'answered');
    throw error;
  }
}

/** Tells `tell` of the requests and sockets of the server of this name. */
export function serverListener(server: string, tell: Telemetry): ServerListener {
  // One object for all frames, so that a frame allocates nothing.
  const frame: ServerEvent = { tag: 'frame', server };
  const badFrame: ServerEvent = { tag: 'badFrame', server };
  return {
    requested: (request) => tell({ tag: 'requested', server, ...request }),
    opened: (gapMs) => tell({ tag: 'socketOpened', server, gapMs }),
    ended: (end, wasOpen) => tell({ tag: 'socketEnded', server, end, wasOpen }),
    frame: () => tell(frame),
    badFrame: () => tell(badFrame),
  };
}
