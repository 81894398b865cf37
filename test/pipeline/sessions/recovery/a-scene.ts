import { EMPTY, defer, from, of, throwError, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { recovery } from '../../../../pipeline/sessions/recovery';
import { inTransit } from '../../../../pipeline/sessions/transit';
import type { SessionKey } from '../../../../sinks/leases';
import { StoreUnavailable, type JobStore, type PutOutcome } from '../../../../sinks/job-store';
import type { StoredWorkflow } from '../../../../sinks/codecs/stored-workflow.codec';
import type { JobState } from '../../../../streams/job/job-state';
import { aState } from '../../../sinks/a-state';

const unposted: StoredWorkflow = { tag: 'unposted', prompt: { workflow: '{}' } };

/** What a scene notes, and what a test sets in it. */
function notes() {
  const noted: string[] = [];
  return {
    /** The jobs whose states were read, and the sessions that were made known. */
    read: [] as string[],
    noted,
    reports: [] as string[],
    onBoard: new Set<string>(),
    /** Jobs that ended here, whose end may have been lost. */
    confirming: new Set<string>(),
    workflows: { awayFor: 0, together: [] as readonly string[], asked: [] as string[] },
    /** What comes of claims and of sessions made known, and the jobs whose states wait here to be written. */
    claims: {
      of: (_promptId: string): Observable<PutOutcome> => of('stored'),
      note: (clientId: string): Observable<never> => (noted.push(clientId), EMPTY),
      waiting: new Set<string>(),
      refiled: [] as string[],
    },
    transit: inTransit(),
    /** Sessions whose lists of jobs were lost. */
    unlisted: new Set<string>(),
    /** Sessions that may be another instance's by now. */
    doubtful: new Set<string>(),
  };
}

const away = () => throwError(() => new StoreUnavailable('the store is away'));

/** A store of such jobs, which is away when it is first asked for them, so often. */
function storeOf(states: readonly JobState[], awayFor: number, its: ReturnType<typeof notes>): JobStore {
  const { read, unlisted, workflows, claims } = its;
  let asked = 0;
  const reading = (some: readonly JobState[], isKnown: (id: string) => boolean = () => false): Observable<JobState> => {
    const unknown = some.filter(({ promptId }) => !isKnown(promptId));
    read.push(...unknown.map(({ promptId }) => promptId));
    return from(unknown);
  };
  return {
    live: (isKnown) => defer(() => (asked++ < awayFor ? away() : reading(states, isKnown))),
    liveOf: (clientId, isKnown) =>
      reading(
        states.filter((state) => state.clientId === clientId && !unlisted.has(clientId)),
        isKnown,
      ),
    workflow: (promptId) =>
      defer(() => (workflows.awayFor-- > 0 ? away() : (workflows.asked.push(promptId), of(unposted)))),
    workflows: (promptIds) =>
      defer(() => {
        if (workflows.awayFor > 0) return away();
        return of(new Map(promptIds.filter((id) => workflows.together.includes(id)).map((id) => [id, unposted])));
      }),
    refile: (some) => (claims.refiled.push(...some.map(({ promptId }) => promptId)), EMPTY),
    leases: { note: ({ clientId }: SessionKey) => claims.note(clientId) },
  } as Pick<JobStore, 'live' | 'liveOf' | 'workflow' | 'workflows' | 'refile'> as JobStore;
}

/** The recovery of an instance that holds these sessions, and serves the servers that are said to be. */
export function scene(
  states: readonly JobState[],
  held: ReadonlySet<string>,
  awayFor = 0,
  isServed = (_url: string) => true,
) {
  const clock = new TestScheduler(() => true);
  const its = notes();
  const { claims, confirming, onBoard, doubtful, transit, reports } = its;
  const looks = recovery(
    {
      store: storeOf(states, awayFor, its),
      writer: {
        write: ({ promptId }) => claims.of(promptId),
        waiting: (promptId) => (claims.waiting.has(promptId) ? aState({ promptId }) : undefined),
        ends: {
          of: (promptId) => (confirming.has(promptId) ? aState({ promptId }) : undefined),
          again: () => undefined,
        },
      },
      board: { job: (promptId: string) => (onBoard.has(promptId) ? ({} as never) : undefined) },
      transit,
      isServed,
      isHeld: (clientId) => held.has(clientId),
      isCertain: (clientId) => !doubtful.has(clientId),
      own: () => 'own',
    },
    {
      clock,
      random: () => 0.5,
      report: (where) => void reports.push(where),
      backoff: { steadyMs: 0, delayMs: () => 100 },
    },
  );
  const look = (look$: ReturnType<typeof looks.ofAll>): readonly string[] => {
    const claimed: string[] = [];
    look$.subscribe((jobs) => claimed.push(...jobs.map(({ state }) => state.promptId)));
    claimed.forEach((promptId) => onBoard.add(promptId));
    return claimed;
  };
  return { ...its, ofAll: () => looks.ofAll(), of: (ids: readonly string[]) => looks.of(ids), look, clock };
}

export const jobs = [
  aState({ promptId: 'mine', clientId: 'held' }),
  aState({ promptId: 'theirs', clientId: 'theirs' }),
  aState({ promptId: 'nobodys', clientId: 'own' }),
];
