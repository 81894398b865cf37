import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  filter,
  ignoreElements,
  of,
  take,
  takeUntil,
  throwError,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { cancelledBeforeRun, unreachable } from '../../streams/job/failures';
import type { Backoff } from '../../streams/operators/backoff';
import type { BoardEvent } from '../../streams/board/board';
import type { Failure, NodeError } from '../../streams/job/job-state';
import type { Report } from '../../streams/operators/reporting';
import type { FindPosted } from '../looks/find-posted';
import type { JobRoutes } from '../looks/job-routes';
import { idText } from '../codecs/frame.codec';
import { acceptedCodec, isFinal, nodeErrorsOf, proxyRefusal, rejection } from '../codecs/prompt.codec';
import { promptBody, type Posted } from './prompt-body';
import { NoAnswer, Refusal, Withheld, type Answer, type Rest } from './rest';

export interface Submission extends Posted {
  /** When it was not posted yet, ms since 1970. */
  readonly since: number;
  /** Whether the session's socket is open: frames before that would be missed. */
  readonly linked: () => boolean;
  /** Whether a cancel was asked for meanwhile. */
  readonly cancelAsked: () => boolean;
  /** `false` once its job has settled, runs elsewhere or is known to be at the server: then it needs no post. */
  readonly wanted: () => boolean;
  /** `false` while another instance may be posting it. */
  readonly mayPost: () => boolean;
  /** Emits when any of these four may have changed; now and then in vain. */
  readonly changed$: Observable<unknown>;
  /** Whether an instance that died since may have posted it: then it is looked for first. */
  readonly maybePosted: boolean;
  /** Called with the error of each post that got no answer. */
  readonly onTrouble?: (error: NoAnswer) => void;
}

export interface SubmitPolicy {
  readonly backoff: Backoff;
  /** How long to wait for the socket before posting without it. */
  readonly linkMs: number;
  /** How long a post may take, ms: a server may be busy for 60 s, and proxies cut requests at 100 s. */
  readonly postMs: number;
  /** After a lost answer, a workflow is posted again only once this many looks found it nowhere. */
  readonly looks: number;
  /** How long to wait between two of these looks. */
  readonly looksMs: number;
  /** If there is no answer for this long, the job is `unreachable`. */
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

/** What posting needs of a server: all its posts share what they find out about it. */
export interface PostingServer {
  readonly rest: Rest;
  readonly routes: Pick<JobRoutes, 'answers' | 'knowsWhetherIdsStay'>;
  readonly find: FindPosted;
}

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

/** One workflow on its way to ComfyUI. `n` counts the tries, `good` the good looks that found it nowhere. */
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
    return concat(linked$, this.#submission.maybePosted ? this.#settle(1, 1) : this.#post(1));
  }

  #post(n: number): Observable<BoardEvent> {
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

  #verdict({ status, json }: Answer): Observable<BoardEvent> {
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

  #notTaken(error: unknown, n: number): Observable<BoardEvent> {
    if (!(error instanceof NoAnswer)) return throwError(() => error);
    if (error instanceof Withheld) return this.#post(n);
    this.#report('submit', error);
    this.#submission.onTrouble?.(error);
    if (error instanceof Refusal && isFinal(error.status)) return this.#refusedByServer(proxyRefusal(error));
    this.#maybeSent ||= error.maybeSent;
    this.#failedAt = this.#policy.clock.now();
    return this.#unanswered(error, n, () => (error.maybeSent ? this.#settle(n, 1) : this.#whenHealthy(n)));
  }

  /** After a lost answer: looks for the job, and posts it again once `looks` looks found it nowhere. */
  #settle(n: number, good: number): Observable<BoardEvent> {
    const { looks, looksMs } = this.#policy;
    const { promptId, since } = this.#submission;
    return this.#server.find(promptId, since).pipe(
      concatMap((id) => {
        if (id !== undefined) return this.#accepted(id);
        return good >= looks ? this.#post(n + 1) : concat(this.#wait(looksMs), this.#settle(n, good + 1));
      }),
      catchError((error: unknown) => this.#unanswered(error, n, () => this.#settle(n + 1, good))),
    );
  }

  /** R10: no retry without a health check before it; any answer since the failure is one, whoever asked. */
  #whenHealthy(n: number): Observable<BoardEvent> {
    const { rest, routes } = this.#server;
    const isHealthy = rest.answeredAt() > this.#failedAt;
    return (isHealthy ? of(true) : routes.answers()).pipe(
      concatMap(() => this.#post(n + 1)),
      catchError((error: unknown) => this.#unanswered(error, n, () => this.#whenHealthy(n + 1))),
    );
  }

  #unanswered(error: unknown, n: number, next: () => Observable<BoardEvent>): Observable<BoardEvent> {
    if (!(error instanceof NoAnswer)) return throwError(() => error);
    const { backoff, clock, giveUpMs } = this.#policy;
    if (this.#submission.cancelAsked() && !this.#maybeSent) return this.#refused(cancelledBeforeRun);
    if (!this.#submission.wanted()) return EMPTY;
    // By when the try began, not by when it failed: this process may have been suspended in between.
    if (this.#triedAt - this.#startedAt > giveUpMs)
      return this.#refused(error instanceof Refusal ? proxyRefusal(error) : unreachable(error.message));
    const again$ = defer(() => {
      this.#triedAt = clock.now();
      return next();
    });
    return concat(this.#wait(backoff.delayMs(n)), again$);
  }

  #accepted(id: string, errors: unknown = {}): Observable<BoardEvent> {
    const { promptId } = this.#submission;
    const nodeErrors = nodeErrorsOf(errors);
    return of<BoardEvent>({
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
  #refusedByServer(failure: Failure, nodeErrors?: readonly NodeError[]): Observable<BoardEvent> {
    return this.#submission.wanted() ? this.#refused(failure, nodeErrors) : EMPTY;
  }

  #refused(failure: Failure, nodeErrors?: readonly NodeError[]): Observable<BoardEvent> {
    const { promptId } = this.#submission;
    const at = this.#policy.clock.now();
    return of({ tag: 'refused', promptId, at, failure, ...(nodeErrors !== undefined && { nodeErrors }) });
  }

  #wait(ms: number): Observable<never> {
    return timer(ms, this.#policy.clock).pipe(ignoreElements());
  }

  /** Completes as soon as `isSo`, which is asked at once and after each change. */
  #once(isSo: () => boolean): Observable<never> {
    return defer(() => (isSo() ? EMPTY : this.#submission.changed$.pipe(filter(isSo), take(1), ignoreElements())));
  }
}

/** Whether it may get another place in the queue than the last. */
const isOutOfTurn = ({ prompt: { front, number } }: Submission): boolean => front === true || number !== undefined;
