import { of } from 'rxjs';
import type { OpenRequest } from '../api';
import { whenReady, type Sessions } from '../sessions/sessions';
import type { Beginnings } from '../submit/beginnings';
import type { Identity } from '../submit/idempotent-submit';
import { checkedOpening } from '../submit/request';
import { newState } from '../submit/submissions';
import type { BoardEvent } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import type { JobState } from '../../streams/job/job-state';
import { REPORTED_URL } from '../../streams/reports/job-report';
import { reportedJob } from '../../streams/reports/reported-job';

export interface OpeningParts {
  readonly sessions: Pick<Sessions, 'own' | 'ready'>;
  readonly beginnings: Beginnings;
  /** How long a job of this type may take in all if its request does not say, ms; `undefined` for no limit. */
  readonly timeoutMs: (type: string) => number | undefined;
}

/** Opens reported jobs: stores each, and has it watched by the holder of this instance's session for such jobs. */
export function opening({
  sessions,
  beginnings,
  timeoutMs,
}: OpeningParts): (request: OpenRequest) => Promise<JobState> {
  const stateOf = (request: OpenRequest, { promptId, at }: Identity, now: number): JobState => {
    const { steps, silentMs = bounds.silentMs } = request.reported ?? {};
    const givenMs = request.timeoutMs ?? timeoutMs(request.type);
    return {
      ...newState(promptId, REPORTED_URL, request, at),
      session: sessions.own(REPORTED_URL),
      via: 'report',
      reported: { silentMs, count: 0, heardAt: now, ...(steps !== undefined && { steps }) },
      ...(givenMs !== undefined && { deadlineAt: now + givenMs }),
    };
  };
  const openAs = (request: OpenRequest, as?: Identity): Promise<JobState> =>
    beginnings.begin(
      {
        userId: request.userId,
        bytes: 0,
        nodes: () => 0,
        stateOf: (identity, now) => stateOf(request, identity, now),
        first: (state) => of<BoardEvent>({ tag: 'opened', job: reportedJob(state) }),
      },
      as,
    );
  return async (given) => {
    const request = checkedOpening(given);
    await whenReady(sessions);
    return request.once === undefined ? openAs(request) : beginnings.once(request.once, (as) => openAs(request, as));
  };
}
