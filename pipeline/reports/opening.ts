import { of } from 'rxjs';
import { InvalidRequest, type OpenRequest } from '../api';
import type { Sessions } from '../sessions/sessions';
import type { Beginnings } from '../submit/beginnings';
import type { Identity } from '../submit/idempotent-submit';
import { objectionToMetadata } from '../submit/prompt';
import { newState } from '../submit/submissions';
import type { BoardEvent } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import type { JobState } from '../../streams/job/job-state';
import { REPORTED_URL } from '../../streams/reports/job-report';
import { objectionsToOpening } from '../../streams/reports/objections';
import { reportedJob } from '../../streams/reports/reported-job';

export interface OpeningParts {
  readonly sessions: Pick<Sessions, 'own'>;
  readonly beginnings: Beginnings;
  /** How long a job may take in all where its request does not say; no bound where `undefined`. */
  readonly timeoutMs: (type: string) => number | undefined;
}

/** Opens jobs that report themselves: stored, and watched over by whoever holds our session for them. */
export function opening({
  sessions,
  beginnings,
  timeoutMs,
}: OpeningParts): (request: OpenRequest) => Promise<JobState> {
  const stateOf = (request: OpenRequest, { promptId, at }: Identity): JobState => {
    const { steps, silentMs = bounds.silentMs } = request.reported ?? {};
    const givenMs = request.timeoutMs ?? timeoutMs(request.type);
    return {
      ...newState(promptId, REPORTED_URL, request, at),
      session: sessions.own(REPORTED_URL),
      via: 'report',
      reported: { silentMs, count: 0, heardAt: at, ...(steps !== undefined && { steps }) },
      ...(givenMs !== undefined && { deadlineAt: at + givenMs }),
    };
  };
  const openAs = (request: OpenRequest, as?: Identity): Promise<JobState> =>
    beginnings.begin(
      {
        ...{ userId: request.userId, bytes: 0 },
        stateOf: (identity) => stateOf(request, identity),
        first: (state) => of<BoardEvent>({ tag: 'opened', job: reportedJob(state) }),
      },
      as,
    );
  return async (request) => {
    refuse(request);
    return request.once === undefined ? openAs(request) : beginnings.once(request.once, (as) => openAs(request, as));
  };
}

function refuse({ metadata, reported = {} }: OpenRequest): void {
  const metadataMessage = objectionToMetadata(metadata);
  if (metadataMessage !== undefined) throw new InvalidRequest('metadata', metadataMessage);
  const [first] = objectionsToOpening(reported);
  if (first !== undefined) throw new InvalidRequest(`reported.${first.field}`, first.message);
}
