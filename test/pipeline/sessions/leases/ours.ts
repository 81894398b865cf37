import { EMPTY, NEVER, Subject, defer, from, mergeMap, of, tap, type Observable } from 'rxjs';
import type { Demand } from '../../../../pipeline/demand';
import { sessions } from '../../../../pipeline/sessions/leased-sessions';
import type { SessionParts } from '../../../../pipeline/sessions/sessions';
import { inTransit } from '../../../../pipeline/sessions/transit';
import type { SessionKey, SessionRequest } from '../../../../sinks/leases';
import { jobBoard } from '../../../../streams/board/board';
import { jobOf } from '../../../../streams/job/job';
import { sessionOf, type JobState } from '../../../../streams/job/job-state';
import { defaultTiming } from '../../../../streams/job/timing';
import { watchers } from '../../../../streams/maps/keyed-watchers';
import { aState } from '../../../streams/job/a-job';
import { aWorld, SERVER } from './a-world';

/** A store of such jobs, of which each claim is taken. */
const storeOf = (stored: readonly JobState[]) => ({
  live: (isKnown: (promptId: string) => boolean) => defer(() => from(stored.filter((job) => !isKnown(job.promptId)))),
  liveOf: (clientId: string): Observable<JobState> =>
    defer(() => from(stored.filter((job) => sessionOf(job) === clientId))),
  get: () => EMPTY,
  workflows: () => of(new Map()),
  workflow: () => of(undefined),
  refile: () => EMPTY,
});

function itsSessions({ stored = [], answerMs = 0 }: { stored?: JobState[]; answerMs?: number }) {
  const world = aWorld();
  const { leases, link, holds } = world.instance('one');
  link.answerMs = answerMs;
  const board = jobBoard(defaultTiming);
  const states = watchers<JobState>();
  const asked$ = new Subject<SessionRequest>();
  const stop$ = new Subject<void>();
  const asked: SessionRequest[] = [];
  const reports: unknown[] = [];
  const released: (readonly [clientId: string, forget: boolean])[] = [];
  const parts = {
    servers: [{ url: SERVER, clientId: 'own', session: (clientId: string) => ({ clientId }) }],
    store: {
      ...storeOf(stored),
      leases: {
        ...leases,
        asked: (clientId: string) => (clientId === 'own' ? asked$ : NEVER),
        ask: (_clientId: string, request: SessionRequest): Observable<never> => (asked.push(request), EMPTY),
        release: (session: SessionKey, forget: boolean) => {
          released.push([session.clientId, forget]);
          return leases.release(session, forget);
        },
      },
    },
    writer: { write: () => of('stored'), waiting: () => undefined, ends: { of: () => undefined } },
    board,
    transit: inTransit(),
    told: (promptId: string) => states.changes(promptId),
    stop$,
  };
  const its = sessions(parts as unknown as SessionParts, {
    clock: world.clock,
    random: () => 0.5,
    report: (_where, error) => reports.push(error),
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  });
  return { world, its, parts, board, states, asked$, stop$, asked, reports, released, holds, link };
}

/**
 * The sessions of an instance whose own one is `own`, on a store of such jobs, and what they demand; what it asks of
 * whoever has one. What it demands to be taken up is.
 */
export function ours(given: { stored?: JobState[]; answerMs?: number } = {}) {
  const { world, its, parts, board, states, asked$, ...more } = itsSessions(given);
  const demands: Demand[] = [];
  let mistake: unknown;
  its.demand$.subscribe({
    next: (demand) => {
      demands.push(demand);
      if (demand.tag === 'takeUp') board.take({ tag: 'opened', job: jobOf(demand.job.state) });
    },
    error: (error: unknown) => (mistake = error),
  });
  const opened: string[] = [];
  const over: string[] = [];
  its.opened$
    .pipe(
      tap(({ clientId }) => opened.push(clientId)),
      mergeMap(({ clientId, end$ }) => end$.pipe(tap(() => over.push(clientId)))),
    )
    .subscribe();
  const begin = (promptId: string, session = 'own'): void => {
    const state = aState({ promptId, clientId: session, serverUrl: SERVER });
    board.take({ tag: 'opened', job: jobOf(state) });
    states.tell(promptId, state);
  };
  return {
    ...world,
    ...more,
    ...{ its, parts, begin, mistake: () => mistake },
    ask: (request: SessionRequest): void => asked$.next(request),
    ...{ demands, opened, over },
    takenUp: () => demands.flatMap((demand) => (demand.tag === 'takeUp' ? [demand.job.state.promptId] : [])),
  };
}
