import { defer, tap, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import { NoAnswer } from '../../sources/rest';
import { SocketClosed } from '../../sources/session';
import type { BoardEvent } from '../../streams/board/board';
import type { Session } from '../../streams/changes/job-changes';
import { traced } from './spans';
import type { ServerEvent, SocketEnd, Telemetry } from './telemetry-event';
import { timed } from './timed';

/** A server whose looks, posts and sockets are told of, and traced. */
export function observedServer(server: ComfyUIServer, tell: Telemetry | undefined): ComfyUIServer {
  const { name } = server;
  const attributes = { 'jobstream.server': name };
  const look: ComfyUIServer['look'] = (jobs) =>
    server.look(jobs).pipe(traced('jobstream.look', { ...attributes, 'jobstream.jobs': jobs.length }));
  const submit: ComfyUIServer['submit'] = (submission) =>
    server.submit(submission).pipe(traced('jobstream.post', attributes));
  if (tell === undefined) return { ...server, look, submit };
  return {
    ...server,
    session: (clientId) => observedSession(server.session(clientId), name, tell),
    look: (jobs) =>
      look(jobs).pipe(timed((outcome, ms) => tell({ tag: 'looked', server: name, jobs: jobs.length, outcome, ms }))),
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

/** A request whose body is none of the questions'. */
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

function observedSession(session: Session, server: string, tell: Telemetry): Session {
  let endedAt: number | undefined;
  // The same value for each frame: nothing is made for it.
  const frame: ServerEvent = { tag: 'frame', server };
  const badFrame: ServerEvent = { tag: 'badFrame', server };

  const watched = (): MonoTypeOperatorFunction<BoardEvent> => {
    let end: SocketEnd = 'refused';
    const ended = (how: SocketEnd): void => {
      const wasOpen = end !== 'refused';
      if (wasOpen) endedAt = performance.now();
      tell({ tag: 'socketEnded', server, end: how, wasOpen });
    };
    return tap({
      next: (event) => {
        if (event.tag === 'heard') tell(frame);
        else if (event.tag === 'garbled') tell(badFrame);
        else if (event.tag === 'linked') {
          end = 'cut_off';
          tell({ tag: 'socketOpened', server, gapMs: endedAt === undefined ? undefined : performance.now() - endedAt });
        } else if (event.tag === 'unlinked') end = event.clean ? 'closed' : 'cut_off';
      },
      error: (error: unknown) => ended(error instanceof SocketClosed && error.requested ? 'deaf' : end),
      complete: () => ended('stopped'),
      unsubscribe: () => ended('stopped'),
    });
  };
  return {
    ...session,
    connect: (reopen$, stop$): Observable<BoardEvent> => defer(() => session.connect(reopen$, stop$).pipe(watched())),
  };
}
