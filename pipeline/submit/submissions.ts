import { randomUUID } from 'node:crypto';
import { EMPTY, catchError, concatMap, defer, from, lastValueFrom, map, of, tap, type Observable } from 'rxjs';
import { TooManyJobs, type JobRequest, type SubmitRequest } from '../api';
import type { Choice } from '../posting/choose-server';
import { isTransient, type Env } from '../env';
import { idempotentSubmit, type Identity } from './idempotent-submit';
import type { Posting } from '../posting/posting';
import { promptOf } from './prompt';
import { checkSubmission } from './request';
import type { Reads } from '../reads/reads';
import type { Sessions } from '../sessions/sessions';
import type { Transit } from '../transit';
import type { JobStore } from '../../sinks/job-store';
import type { StoredWorkflow } from '../../sinks/stored-workflow.codec';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { queuedState } from '../../streams/job/job';
import type { JobState, RetryPolicy } from '../../streams/job/job-state';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, reporting } from '../../streams/operators/reporting';

/** What one user may have under way. */
export interface UserLimits {
  /** Unsettled jobs. */
  readonly jobs: number;
  /** Bytes of the workflows that are stored for them. */
  readonly bytes: number;
  /** Nodes of those that this instance watches. */
  readonly nodes: number;
}

export interface SubmissionParts {
  readonly choice: Choice;
  readonly sessions: Pick<Sessions, 'own'>;
  readonly board: BoardView;
  readonly posting: Pick<Posting, 'first'>;
  readonly reads: Pick<Reads, 'get' | 'present'>;
  readonly transit: Transit;
  readonly store: JobStore;
  readonly writer: Pick<WriteBehind, 'write'>;
  readonly limits: UserLimits;
  /** How long a job may take in all where its request does not say; no bound where `undefined`. */
  readonly timeoutMs: (type: string) => number | undefined;
  /** Runs a command to its end, or for as long as a caller waits. */
  readonly run: (command$: Observable<BoardEvent>) => Promise<void>;
}

/** From a request to a job that is stored and posted. */
export function submissions(parts: SubmissionParts, env: Env): (request: SubmitRequest) => Promise<JobState> {
  const { choice, posting, reads, transit, store, writer, run } = parts;
  const { clock, report } = env;
  const { bestEffort, untilStored } = storing(writer, env);
  const attempted = <T>(work$: Observable<T>): Observable<T> => work$.pipe(reporting('store', report), orNothing);
  const once = idempotentSubmit({ store, get: (promptId) => reads.get(promptId), clock, attempted });
  const admitted = perUser(parts, attempted);

  /** With an identity it may be called again, by any instance: only the call whose `put` is answered `stored` posts. */
  async function submitAs(request: SubmitRequest, as?: Identity): Promise<JobState> {
    const prompt = promptOf(request);
    const { url } = choice.asked(request.server, request.type);
    return admitted(request.userId, prompt.workflow.length, async (counted) => {
      const state = firstState(request, url, as ?? { promptId: randomUUID(), at: clock.now() }, parts);
      const { promptId } = state;
      if (as !== undefined && transit.has(promptId)) return (await reads.present(promptId)) ?? state;
      const workflow: StoredWorkflow = { tag: 'unposted', prompt };
      const stored$ = as === undefined ? bestEffort(state, workflow) : untilStored(state, workflow);
      // The store counts the job from here on.
      const posted$ = stored$.pipe(
        tap(counted),
        concatMap((isStored) => posting.first(state, prompt, isStored)),
      );
      await run(posted$.pipe(untilOpened(promptId, transit)));
      return (await reads.present(promptId)) ?? state;
    });
  }

  return async (request) => {
    checkSubmission(request);
    if (request.once === undefined) return submitAs(request);
    choice.asked(request.server, request.type);
    return once(request.once, (as) => submitAs(request, as));
  };
}

/** Stores a new job, before it is posted. Emits whether it is stored. */
interface Storing {
  /** Tries once, so that no crash can lose the job. Where the store does not take it, the job is posted all the same and stored later (R12). */
  readonly bestEffort: (state: JobState, workflow: StoredWorkflow) => Observable<boolean>;
  /** Tries until the store answers: only the caller that stored the state first may post the job. */
  readonly untilStored: (state: JobState, workflow: StoredWorkflow) => Observable<boolean>;
}

const storing = (writer: Pick<WriteBehind, 'write'>, { report, backoff, clock }: Env): Storing => ({
  bestEffort: (state, workflow) =>
    writer.write(state, workflow).pipe(
      map(() => true),
      reporting('store', report),
      catchError(() => of(false)),
    ),
  untilStored: (state, workflow) =>
    writer.write(state, workflow).pipe(
      reporting('store', report),
      reconnecting({ backoff, clock, isTransient }),
      concatMap((outcome) => (outcome === 'stored' ? of(true) : EMPTY)),
    ),
});

/** A job's first state, under the session in which it is posted to a server. */
function firstState(request: SubmitRequest, url: string, as: Identity, parts: SubmissionParts): JobState {
  const { sessions, board } = parts;
  const { timeoutMs = parts.timeoutMs(request.type) } = request;
  const retry = retryOf(request);
  const clientId = sessions.own(url);
  return {
    ...newState(as.promptId, url, request, as.at),
    clientId,
    via: board.session(clientId)?.open === true ? 'websocket' : 'polling',
    ...(retry !== undefined && { retry }),
    ...(timeoutMs !== undefined && { deadlineAt: as.at + timeoutMs }),
  };
}

/** Counts a job as being on its way until the board has it. */
const untilOpened =
  (promptId: string, transit: Transit) =>
  (event$: Observable<BoardEvent>): Observable<BoardEvent> =>
    defer(() => {
      let inside = true;
      transit.enter(promptId);
      const arrived = (): void => {
        if (inside) transit.leave(promptId);
        inside = false;
      };
      return event$.pipe(
        concatMap((event, n) => (n === 0 ? from([event]).pipe(tap({ complete: arrived })) : of(event))),
        tap({ finalize: arrived }),
      );
    });

/** Lets a user submit within bounds, those included that are being submitted just now. */
function perUser(
  { store, board, limits }: Pick<SubmissionParts, 'store' | 'board' | 'limits'>,
  attempted: <T>(work$: Observable<T>) => Observable<T>,
) {
  const submitting = new Map<string, number>();
  return async (
    userId: string,
    bytes: number,
    submit: (counted: () => void) => Promise<JobState>,
  ): Promise<JobState> => {
    const before = submitting.get(userId) ?? 0;
    submitting.set(userId, before + 1);
    let counts = true;
    const counted = (): void => {
      if (!counts) return;
      counts = false;
      const left = (submitting.get(userId) ?? 1) - 1;
      if (left === 0) submitting.delete(userId);
      else submitting.set(userId, left);
    };
    try {
      const here = { jobs: board.countOfUser(userId), bytes: 0 };
      const usage = await lastValueFrom(attempted(store.usage(userId)), { defaultValue: here });
      if (usage.jobs + before >= limits.jobs) throw new TooManyJobs('unsettled jobs', limits.jobs);
      if (board.nodesOfUser(userId) >= limits.nodes)
        throw new TooManyJobs('nodes in the workflows of unsettled jobs', limits.nodes);
      if (usage.bytes + bytes > limits.bytes) throw new TooManyJobs('bytes of stored workflows', limits.bytes);
      return await submit(counted);
    } finally {
      counted();
    }
  };
}

/** A job's first state, whoever posts it. */
export const newState = (
  promptId: string,
  serverUrl: string,
  { type, userId, characterId, metadata }: JobRequest,
  at: number,
): JobState =>
  queuedState({
    ...{ promptId, type, userId, serverUrl, at },
    ...(characterId !== undefined && { characterId }),
    ...(metadata !== undefined && { metadata }),
  });

/** One run, unless the request says otherwise. */
function retryOf({ onLost, maxAttempts = onLost === undefined ? 1 : 3 }: SubmitRequest): RetryPolicy | undefined {
  return maxAttempts > 1 ? { maxAttempts, ...(onLost !== undefined && { onLost }) } : undefined;
}
