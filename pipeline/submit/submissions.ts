import type { JobRequest, SubmitRequest } from '../api';
import type { Choice } from '../posting/choose-server';
import type { Beginnings } from './beginnings';
import type { Identity } from './idempotent-submit';
import type { Posting } from '../posting/posting';
import { promptOf } from './prompt';
import { checkedSubmission } from './request';
import { whenReady, type Sessions } from '../sessions/sessions';
import type { BoardView } from '../../streams/board/board';
import { queuedState } from '../../streams/job/job';
import type { Prompt } from '../../streams/job/workflow';
import type { JobState, RetryPolicy } from '../../streams/job/job-state';

export interface SubmissionParts {
  readonly choice: Choice;
  readonly sessions: Pick<Sessions, 'own' | 'ready'>;
  readonly board: Pick<BoardView, 'session'>;
  readonly posting: Pick<Posting, 'first'>;
  readonly beginnings: Beginnings;
  /** How long a job may take in all where its request does not say; no bound where `undefined`. */
  readonly timeoutMs: (type: string) => number | undefined;
}

/** From a request to a job that is stored and posted. */
export function submissions(parts: SubmissionParts): (request: SubmitRequest) => Promise<JobState> {
  const { choice, sessions, board, posting, beginnings } = parts;

  /** A job's first state. */
  function firstState(request: SubmitRequest, url: string, as: Identity, now: number): JobState {
    const { timeoutMs = parts.timeoutMs(request.type) } = request;
    const retry = retryOf(request);
    const clientId = sessions.own(url);
    return {
      ...newState(as.promptId, url, request, as.at),
      clientId,
      via: board.session(clientId)?.open === true ? 'websocket' : 'polling',
      ...(retry !== undefined && { retry }),
      ...(timeoutMs !== undefined && { deadlineAt: now + timeoutMs }),
    };
  }

  function submitAs(request: SubmitRequest, prompt: Prompt, as?: Identity): Promise<JobState> {
    const { url } = choice.asked(request.server, request.type);
    return beginnings.begin(
      {
        ...{ userId: request.userId, bytes: prompt.workflow.length, workflow: { tag: 'unposted', prompt } },
        stateOf: (identity, now) => firstState(request, url, identity, now),
        first: (state, isStored) => posting.first(state, prompt, isStored),
      },
      as,
    );
  }

  return async (given) => {
    const request = checkedSubmission(given);
    const prompt = promptOf(request);
    await whenReady(sessions);
    if (request.once === undefined) return submitAs(request, prompt);
    choice.asked(request.server, request.type);
    return beginnings.once(request.once, (as) => submitAs(request, prompt, as));
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
