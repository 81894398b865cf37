import type { JobRequest, SubmitRequest } from '../api';
import type { Choice } from '../posting/choose-server';
import type { Beginnings } from './beginnings';
import type { Identity } from './idempotent-submit';
import type { Posting } from '../posting/posting';
import { promptOf } from './prompt';
import { checkedSubmission } from './request';
import { whenReady, type Sessions } from '../sessions/sessions';
import { bytesOfPrompt } from '../../sinks/codecs/stored-workflow.codec';
import type { BoardView } from '../../streams/board/board';
import { queuedState } from '../../streams/job/job';
import { graphOfPrompt, type Graph, type Prompt } from '../../streams/job/workflow';
import type { JobState, RetryPolicy } from '../../streams/job/job-state';

export interface SubmissionParts {
  readonly choice: Choice;
  readonly sessions: Pick<Sessions, 'own' | 'ready'>;
  readonly board: Pick<BoardView, 'session'>;
  readonly posting: Pick<Posting, 'first'>;
  readonly beginnings: Beginnings;
  /** How long a job of this type may take in all if its request does not say, ms; `undefined` for no limit. */
  readonly timeoutMs: (type: string) => number | undefined;
}

/** `Pipeline.submit`: makes of a request a job that is stored and posted. */
export function submissions(parts: SubmissionParts): (request: SubmitRequest) => Promise<JobState> {
  const { choice, sessions, board, posting, beginnings } = parts;

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
    let graph: Graph | undefined;
    const graphOnce = (): Graph => (graph ??= graphOfPrompt(prompt));
    return beginnings.begin(
      {
        userId: request.userId,
        bytes: bytesOfPrompt(prompt),
        nodes: () => graphOnce().size,
        workflow: { tag: 'unposted', prompt },
        stateOf: (identity, now) => firstState(request, url, identity, now),
        first: (state, isStored) => posting.first(state, prompt, isStored, graphOnce),
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

/** The fields of a first state that all jobs have. */
export const newState = (
  promptId: string,
  serverUrl: string,
  { type, userId, characterId, metadata }: JobRequest,
  at: number,
): JobState =>
  queuedState({
    promptId,
    type,
    userId,
    serverUrl,
    at,
    ...(characterId !== undefined && { characterId }),
    ...(metadata !== undefined && { metadata }),
  });

/** The request's policy for further runs; `undefined` if the job has one run only. */
function retryOf({ onLost, maxAttempts = onLost === undefined ? 1 : 3 }: SubmitRequest): RetryPolicy | undefined {
  return maxAttempts > 1 ? { maxAttempts, ...(onLost !== undefined && { onLost }) } : undefined;
}
