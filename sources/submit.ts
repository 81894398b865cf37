import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  filter,
  interval,
  of,
  take,
  takeUntil,
  throwError,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { cancelledBeforeRun, unreachable } from '../streams/job/failures';
import type { Backoff } from '../streams/operators/backoff';
import type { BoardEvent } from '../streams/board/board';
import type { Failure } from '../streams/job/job-state';
import type { Report } from '../streams/operators/reporting';
import type { Prompt } from '../streams/job/workflow';
import type { Lookup } from './looks/lookup';
import { MARK, inQueueAs } from './looks/places';
import { acceptedCodec, nodeErrorsOf, proxyRefusal, rejection } from './codecs/prompt.codec';
import { NoAnswer, Refusal, type Answer, type Rest } from './rest';

export interface Submission {
  readonly promptId: string;
  readonly clientId: string;
  readonly prompt: Prompt;
  /** Whether the session's socket is open: frames before that would be missed. */
  readonly linked: () => boolean;
  /** Whether a cancel was asked for meanwhile. */
  readonly cancelAsked: () => boolean;
  /** Whether this run is still wanted: not once its job has settled or is run elsewhere. */
  readonly wanted: () => boolean;
  /** Whether it may be posted now: not while another instance may be at it. */
  readonly mayPost: () => boolean;
  /** Whether it may have been posted before, by an instance that did not live to tell: then it is looked for first. */
  readonly maybePosted: boolean;
  /** Told of each post that got no answer. */
  readonly onTrouble?: (error: NoAnswer) => void;
}

export interface SubmitPolicy {
  readonly backoff: Backoff;
  /** How long to wait for the socket before posting without it. */
  readonly linkMs: number;
  /** A proxy cuts requests at 100 s; a server may be busy for 60. */
  readonly postMs: number;
  /** A lost workflow is posted again only after good looks that find it nowhere, so many and over so long. */
  readonly looks: number;
  readonly looksMs: number;
  /** After so long without an answer, the job is `unreachable`. */
  readonly giveUpMs: number;
  readonly clock: SchedulerLike;
}

export const defaultSubmitPolicy: Omit<SubmitPolicy, 'backoff' | 'clock'> = {
  linkMs: 3_000,
  postMs: 90_000,
  looks: 3,
  looksMs: 5_000,
  giveUpMs: 600_000,
};

/**
 * Posts a workflow until ComfyUI took it or refused it, and tells the board. Runs it once: where an answer was lost,
 * the job is looked for before it is posted again. Completes; never errors on account of the server.
 */
export function submit(
  { rest, lookup }: { readonly rest: Rest; readonly lookup: Lookup },
  submission: Submission,
  policy: SubmitPolicy,
  report: Report,
): Observable<BoardEvent> {
  const { promptId } = submission;
  const { clock, backoff } = policy;
  const wait = (n: number): Observable<never> => timer(backoff.delayMs(n), clock).pipe(concatMap(() => EMPTY));
  const body = bodyOf(submission);

  return defer(() => {
    const startedAt = clock.now();
    const late = (): boolean => clock.now() - startedAt > policy.giveUpMs;
    let postedAt = startedAt;
    let maybeSent = submission.maybePosted;

    const accepted = (id: string, nodeErrors: unknown = {}): Observable<BoardEvent> => {
      const at = clock.now();
      const refused = nodeErrorsOf(nodeErrors);
      const taken: BoardEvent = {
        tag: 'accepted',
        promptId,
        at,
        postedAt,
        ...(id !== promptId && { runId: id }),
        ...(refused.length > 0 && { nodeErrors: refused }),
      };
      return of(taken);
    };
    const refused = (failure: Failure): Observable<BoardEvent> =>
      of({ tag: 'refused', promptId, at: clock.now(), failure });

    const post = (n: number): Observable<BoardEvent> =>
      concat(
        once(() => submission.mayPost() || !submission.wanted() || submission.cancelAsked(), clock),
        defer(() => {
          if (!submission.wanted()) return EMPTY;
          if (submission.cancelAsked()) return refused(cancelledBeforeRun);
          postedAt = clock.now();
          return rest.post('/prompt', body, policy.postMs).pipe(concatMap((answer) => verdict(answer)));
        }),
      ).pipe(catchError((error: unknown) => again(error, n)));

    const verdict = ({ status, json }: Answer): Observable<BoardEvent> => {
      if (status === 200 && acceptedCodec.is(json)) return accepted(json.prompt_id, json.node_errors);
      if (status < 400)
        return throwError(() => new NoAnswer(`/prompt: status ${status} with a body that is not ComfyUI's`, true));
      return of({ tag: 'refused', promptId, at: clock.now(), ...rejection(status, json) });
    };

    const again = (error: unknown, n: number): Observable<BoardEvent> => {
      if (!(error instanceof NoAnswer)) return throwError(() => error);
      report('submit', error);
      submission.onTrouble?.(error);
      if (error instanceof Refusal) return refused(proxyRefusal(error));
      maybeSent ||= error.maybeSent;
      return unanswered(error, n, () => (error.maybeSent ? settle(n, 1) : whenHealthy(n)));
    };

    /** After a lost answer: the job where it is found, or another post once it was nowhere often enough. */
    const settle = (n: number, good: number): Observable<BoardEvent> =>
      findPosted(lookup, promptId).pipe(
        concatMap((id) => {
          if (id !== undefined) return accepted(id);
          if (good >= policy.looks) return post(n + 1);
          return concat(timer(policy.looksMs, clock).pipe(concatMap(() => EMPTY)), settle(n, good + 1));
        }),
        catchError((error: unknown) => unanswered(error, n, () => settle(n + 1, good))),
      );

    /** R10: no retry without a health check before it. */
    const whenHealthy = (n: number): Observable<BoardEvent> =>
      rest.get('/prompt').pipe(
        concatMap(() => post(n + 1)),
        catchError((error: unknown) => unanswered(error, n, () => whenHealthy(n + 1))),
      );

    const unanswered = (error: unknown, n: number, next: () => Observable<BoardEvent>): Observable<BoardEvent> => {
      if (!(error instanceof NoAnswer)) return throwError(() => error);
      if (submission.cancelAsked() && !maybeSent) return refused(cancelledBeforeRun);
      if (!submission.wanted()) return EMPTY;
      if (late()) return refused(unreachable(error.message));
      return concat(wait(n), defer(next));
    };

    const linked$ = once(submission.linked, clock).pipe(takeUntil(timer(policy.linkMs, clock)));
    return concat(linked$, submission.maybePosted ? settle(1, 1) : post(1));
  });
}

/** The body of `POST /prompt`. What the caller gave goes in as the text it is (R18). */
function bodyOf({ promptId, clientId, prompt }: Submission): string {
  const { workflow, extraData = '{}', front, number, partialExecutionTargets } = prompt;
  const mark = `"${MARK}":${JSON.stringify(promptId)}`;
  const given = extraData.trim().slice(1, -1);
  const rest = {
    client_id: clientId,
    prompt_id: promptId,
    ...(front !== undefined && { front }),
    ...(number !== undefined && { number }),
    ...(partialExecutionTargets !== undefined && { partial_execution_targets: partialExecutionTargets }),
  };
  const extra_data = given.trim() === '' ? `{${mark}}` : `{${given},${mark}}`;
  return `{"prompt":${workflow},"extra_data":${extra_data},${JSON.stringify(rest).slice(1)}`;
}

/** Completes as soon as this is so. */
const once = (isSo: () => boolean, clock: SchedulerLike): Observable<never> =>
  defer(() =>
    isSo()
      ? EMPTY
      : interval(20, clock).pipe(
          filter(isSo),
          take(1),
          concatMap(() => EMPTY),
        ),
  );

/** The id under which a server holds the workflow that was posted as `promptId`, or `undefined` where it holds none. */
const findPosted = ({ queue, one, renamed }: Lookup, promptId: string): Observable<string | undefined> =>
  queue().pipe(
    concatMap((entries) => {
      const queued = inQueueAs(entries, promptId);
      if (queued !== undefined) return of(queued.promptId);
      return one(promptId).pipe(concatMap((found) => (found.tag === 'absent' ? renamed(promptId) : of(promptId))));
    }),
  );
