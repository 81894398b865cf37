import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  expand,
  filter,
  ignoreElements,
  map,
  of,
  take,
  takeUntil,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { cancelledBeforeRun, unreachable } from '../../streams/job/failures';
import type { BoardEvent } from '../../streams/board/board';
import type { Failure, NodeError } from '../../streams/job/job-state';
import type { Report } from '../../streams/operators/reporting';
import { idText } from '../codecs/frame.codec';
import { acceptedCodec, isFinal, nodeErrorsOf, proxyRefusal, rejection } from '../codecs/prompt.codec';
import { promptBody } from './prompt-body';
import { NoAnswer, Refusal, Withheld } from './no-answer';
import type { Answer } from './rest';
import type { PostingServer, Submission, SubmitPolicy } from './submission';

/**
 * Posts a workflow until ComfyUI took it or refused it, and tells the board. Runs it once: where an answer was lost,
 * the job is looked for before it is posted again. Completes; never errors on account of the server.
 */
export const submit = (
  server: PostingServer,
  submission: Submission,
  policy: SubmitPolicy,
  report: Report,
): Observable<BoardEvent> => defer(() => new Submitting(server, submission, policy, report).run());

/**
 * What is to be done next for a workflow on its way to ComfyUI. `n` counts the tries, `good` the good looks that found it
 * nowhere.
 *
 * | step | outcome | next |
 * |---|---|---|
 * | `post` | ComfyUI took or refused it | `over` |
 * | | held back, as another instance may be posting it | `post` |
 * | | its answer was lost | `find`, after a wait |
 * | | it was not sent | `check`, after a wait |
 * | `find` | found | `over` |
 * | | found nowhere, by the last of `looks` good looks | `post` |
 * | | found nowhere, by one before | `find`, after `looksMs` |
 * | | no answer | `find`, after a wait |
 * | `check` | ComfyUI answers | `post` |
 * | | no answer | `check`, after a wait |
 *
 * It ends at any step once it is not wanted any more, was cancelled before it was sent, or got no answer for `giveUpMs`.
 */
type Step =
  | { readonly tag: 'post' | 'check'; readonly n: number }
  | { readonly tag: 'find'; readonly n: number; readonly good: number }
  | { readonly tag: 'over'; readonly event: BoardEvent };

/** One workflow on its way to ComfyUI. */
class Submitting {
  readonly #server: PostingServer;
  readonly #submission: Submission;
  readonly #policy: SubmitPolicy;
  readonly #report: Report;
  readonly #body: string;
  readonly #startedAt: number;
  #postedAt: number;
  /** When its last try began. */
  #triedAt: number;
  /** When its last post got no answer. */
  #failedAt: number;
  /** Whether ComfyUI may have it, though its answer was not heard. */
  #maybeSent: boolean;

  constructor(server: PostingServer, submission: Submission, policy: SubmitPolicy, report: Report) {
    this.#server = server;
    this.#submission = submission;
    this.#policy = policy;
    this.#report = report;
    this.#body = promptBody(submission);
    this.#startedAt = this.#postedAt = this.#triedAt = this.#failedAt = policy.clock.now();
    this.#maybeSent = submission.maybePosted;
  }

  run(): Observable<BoardEvent> {
    const { linkMs, clock } = this.#policy;
    const linked$ = this.#once(() => this.#submission.linked()).pipe(takeUntil(timer(linkMs, clock)));
    const first: Step = this.#submission.maybePosted ? { tag: 'find', n: 1, good: 1 } : { tag: 'post', n: 1 };
    return concat(linked$, of(first)).pipe(
      expand((step) => this.#next(step)),
      filter((step) => step.tag === 'over'),
      map(({ event }) => event),
    );
  }

  #next(step: Step): Observable<Step> {
    switch (step.tag) {
      case 'post':
        return this.#post(step.n);
      case 'find':
        return this.#find(step);
      case 'check':
        return this.#check(step.n);
      case 'over':
        return EMPTY;
    }
  }

  #post(n: number): Observable<Step> {
    const { wanted, cancelAsked, mayPost } = this.#submission;
    // Asked again as the request leaves, which may be long after: by then another instance may have posted the job.
    const assertWanted = (): void => {
      if (!mayPost() || !wanted() || cancelAsked()) throw new Withheld('/prompt: not sent', false);
    };
    const post$ = defer(() => {
      if (!wanted()) return EMPTY;
      if (cancelAsked()) return this.#refused(cancelledBeforeRun);
      this.#postedAt = this.#policy.clock.now();
      return this.#server.rest
        .post('/prompt', this.#body, this.#policy.postMs, assertWanted)
        .pipe(concatMap((answer) => this.#verdict(answer)));
    });
    return concat(
      this.#once(() => mayPost() || !wanted() || cancelAsked()),
      post$,
    ).pipe(catchError((error: unknown) => this.#notTaken(error, n)));
  }

  #verdict({ status, json }: Answer): Observable<Step> {
    if (status === 200 && acceptedCodec.is(json)) {
      const id = idText(json.prompt_id);
      this.#server.routes.knowsWhetherIdsStay(id === this.#submission.promptId);
      return this.#accepted(id, json.node_errors);
    }
    if (status < 400)
      return throwError(() => new NoAnswer(`/prompt: status ${status} with a body that is not ComfyUI's`, true));
    // ComfyUI refuses workflows with 400 only; a proxy's 404 in JSON would end each job that comes while a pod starts.
    const rejected = status === 400 ? rejection(json) : undefined;
    if (rejected === undefined) {
      this.#server.rest.disown();
      return throwError(() => new Refusal('an answer that is not ComfyUI’s', status, undefined));
    }
    return this.#refusedByServer(rejected.failure, rejected.nodeErrors);
  }

  #notTaken(error: unknown, n: number): Observable<Step> {
    if (!(error instanceof NoAnswer)) return throwError(() => error);
    if (error instanceof Withheld) return of({ tag: 'post', n });
    this.#report('submit', error);
    this.#submission.onTrouble?.(error);
    if (error instanceof Refusal && isFinal(error.status)) return this.#refusedByServer(proxyRefusal(error));
    this.#maybeSent ||= error.maybeSent;
    this.#failedAt = this.#policy.clock.now();
    return this.#unanswered(error, n, error.maybeSent ? { tag: 'find', n, good: 1 } : { tag: 'check', n });
  }

  #find({ n, good }: Step & { tag: 'find' }): Observable<Step> {
    const { looks, looksMs } = this.#policy;
    const { promptId, since } = this.#submission;
    return this.#server.find(promptId, since).pipe(
      concatMap((id) => {
        if (id !== undefined) return this.#accepted(id);
        if (good >= looks) return of<Step>({ tag: 'post', n: n + 1 });
        return this.#after(looksMs, { tag: 'find', n, good: good + 1 });
      }),
      catchError((error: unknown) => this.#unanswered(error, n, { tag: 'find', n: n + 1, good })),
    );
  }

  /** R10: no retry without a health check before it; any answer since the failure is one, whoever asked. */
  #check(n: number): Observable<Step> {
    const { rest, routes } = this.#server;
    const isHealthy = rest.answeredAt() > this.#failedAt;
    return (isHealthy ? of(true) : routes.answers()).pipe(
      map((): Step => ({ tag: 'post', n: n + 1 })),
      catchError((error: unknown) => this.#unanswered(error, n, { tag: 'check', n: n + 1 })),
    );
  }

  #unanswered(error: unknown, n: number, next: Step): Observable<Step> {
    if (!(error instanceof NoAnswer)) return throwError(() => error);
    const { backoff, giveUpMs } = this.#policy;
    if (this.#submission.cancelAsked() && !this.#maybeSent) return this.#refused(cancelledBeforeRun);
    if (!this.#submission.wanted()) return EMPTY;
    // By when the try began, not by when it failed: this process may have been suspended in between.
    if (this.#triedAt - this.#startedAt > giveUpMs)
      return this.#refused(error instanceof Refusal ? proxyRefusal(error) : unreachable(error.message));
    return this.#after(backoff.delayMs(n), next).pipe(tap(() => (this.#triedAt = this.#policy.clock.now())));
  }

  #accepted(id: string, errors: unknown = {}): Observable<Step> {
    const { promptId } = this.#submission;
    const nodeErrors = nodeErrorsOf(errors);
    return over({
      tag: 'accepted',
      promptId,
      at: this.#policy.clock.now(),
      postedAt: this.#postedAt,
      ...(id !== promptId && { runId: id }),
      ...(nodeErrors.length > 0 && { nodeErrors }),
      ...(isOutOfTurn(this.#submission) && { isOutOfTurn: true }),
    });
  }

  /** If frames already tell of the run, it was not refused, whatever a proxy answered. */
  #refusedByServer(failure: Failure, nodeErrors?: readonly NodeError[]): Observable<Step> {
    return this.#submission.wanted() ? this.#refused(failure, nodeErrors) : EMPTY;
  }

  #refused(failure: Failure, nodeErrors?: readonly NodeError[]): Observable<Step> {
    const { promptId } = this.#submission;
    const at = this.#policy.clock.now();
    return over({ tag: 'refused', promptId, at, failure, ...(nodeErrors !== undefined && { nodeErrors }) });
  }

  #after(ms: number, step: Step): Observable<Step> {
    return timer(ms, this.#policy.clock).pipe(map(() => step));
  }

  /** Completes as soon as `isSo`, which is asked at once and after each change. */
  #once(isSo: () => boolean): Observable<never> {
    return defer(() => (isSo() ? EMPTY : this.#submission.changed$.pipe(filter(isSo), take(1), ignoreElements())));
  }
}

const over = (event: BoardEvent): Observable<Step> => of({ tag: 'over', event });

/** Whether it may get another place in the queue than the last. */
const isOutOfTurn = ({ prompt: { front, number } }: Submission): boolean => front === true || number !== undefined;
