import { EMPTY, NEVER, VirtualTimeScheduler, defer, of, throwError, type Observable } from 'rxjs';
import type { Env } from '../../../pipeline/env';
import { choosing } from '../../../pipeline/posting/choose-server';
import { outages } from '../../../pipeline/posting/outages';
import { posting } from '../../../pipeline/posting/posting';
import type { JobStore } from '../../../sinks/job-store';
import type { StoredWorkflow } from '../../../sinks/codecs/stored-workflow.codec';
import type { ComfyUIServer } from '../../../sources/comfyui-server';
import { NoAnswer } from '../../../sources/rest/rest';
import { jobBoard, type BoardEvent } from '../../../streams/board/board';
import { jobOf } from '../../../streams/job/job';
import { watchers } from '../../../streams/operators/keyed-watchers';
import { runIdOf, type FailureKind, type JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import type { Workflow } from '../../../streams/job/workflow';
import { aFailure, aState } from '../../streams/job/a-job';

export const ONE = 'http://one';
export const OTHER = 'http://other';

export interface Posted {
  readonly at: number;
  readonly url: string;
  readonly runId: string;
}

/** A board, servers that take what is posted, and a store that keeps one workflow. */
export function aShop(tags: Readonly<Record<string, readonly string[]>> = {}) {
  const clock = new VirtualTimeScheduler();
  const board = jobBoard(defaultTiming);
  const posts: Posted[] = [];
  const done: string[] = [];
  const answeredAt = new Map([ONE, OTHER].map((url) => [url, 0]));
  const kept = new Map<string, Workflow>([['p', {}]]);
  const puts: JobState[] = [];
  /** What waits to be stored. */
  const waiting = new Map<string, StoredWorkflow>();
  const leases = { trusted: true };
  const cancels = { answered: true };
  /** Whether each run that was handed to a server may be posted. */
  const mayPost: (() => boolean)[] = [];
  const aServer = (url: string): ComfyUIServer => {
    const its: Pick<ComfyUIServer, 'url' | 'submit' | 'cancel' | 'free' | 'answeredAt'> = {
      url,
      submit: ({ promptId, wanted, ...how }) =>
        defer(() => {
          mayPost.push(how.mayPost);
          if (!wanted()) return EMPTY;
          done.push(`post ${url}`);
          posts.push({ at: clock.now(), url, runId: promptId });
          return of<BoardEvent>({ tag: 'accepted', promptId, at: clock.now(), postedAt: clock.now() });
        }),
      cancel: (promptId) =>
        defer(() => {
          done.push(`cancel ${promptId}`);
          return cancels.answered ? EMPTY : throwError(() => new NoAnswer('no answer', true));
        }),
      free: () => defer(() => (done.push(`free ${url}`), EMPTY)),
      answeredAt: () => answeredAt.get(url) ?? 0,
    };
    return { ...its, ...(tags[url] !== undefined && { tags: tags[url] }) } as ComfyUIServer;
  };
  const store = {
    workflow: (promptId: string) => {
      const workflow = kept.get(promptId);
      return of(workflow && { tag: 'whole', prompt: { workflow: JSON.stringify(workflow) } });
    },
  } as unknown as JobStore;
  const writer = {
    keep: () => undefined,
    waitingWorkflow: (promptId: string) => waiting.get(promptId),
    stored: (state: JobState) => defer(() => (puts.push(state), done.push(`store ${runIdOf(state)}`), EMPTY)),
  };
  const own = (url: string): string => `client of ${url}`;
  const choice = choosing([ONE, OTHER].map(aServer), own, board);
  const env: Env = {
    ...{ clock, random: () => 0.5, report: () => 'as wanted' },
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  };
  const ready = (): Observable<never> => EMPTY;
  const sessions = { own, ready, leaseChanged: () => NEVER, lease: () => (leases.trusted ? 'certain' : 'doubtful') };
  const states = watchers<JobState>();
  const told = (promptId: string): Observable<JobState> => states.changes(promptId);
  const its = posting({ choice, sessions, board, store, writer, told }, env);
  const take = (event: BoardEvent): void => {
    for (const change of board.take(event)) {
      if (change.tag === 'state') states.tell(change.state.promptId, change.state);
      if (change.tag === 'released') states.release(change.promptId);
      if (change.tag === 'runAgain') heed(its.again(change.promptId, change.failure));
    }
  };
  const heed = (event$: Observable<BoardEvent>): void => void event$.subscribe(take);
  return {
    ...{ first: its.first.bind(its), takenUp: its.takenUp.bind(its), stop: its.stop.bind(its) },
    ...choice,
    due$: its.due$,
    server: choice.asked,
    outage$: outages(choice, board, env),
    board,
    posts,
    done,
    puts,
    kept,
    waiting,
    leases,
    cancels,
    mayPost,
    take,
    heed,
    now: () => clock.now(),
    pass: (ms: number) => {
      clock.maxFrames = clock.frame + ms;
      clock.schedule(() => 'now', ms);
      clock.flush();
    },
    link: (url: string) => take({ tag: 'linked', clientId: `client of ${url}`, at: clock.now() }),
    unlink: (url: string) => {
      answeredAt.set(url, 0);
      take({ tag: 'unlinked', clientId: `client of ${url}`, at: clock.now(), clean: false });
    },
    answers: (url: string) => answeredAt.set(url, clock.now()),
    open: (more: Partial<JobState> = {}) => {
      const state = aState({ serverUrl: ONE, clientId: `client of ${ONE}`, ...more });
      take({ tag: 'opened', job: jobOf(state, { accepted: true }) });
    },
    breaks: (kind: FailureKind) => {
      const state = board.job('p')?.state;
      if (state !== undefined)
        take({ tag: 'broke', promptId: runIdOf(state), at: clock.now(), failure: aFailure(kind) });
    },
  };
}

/** A job that may run again, lost or starved. */
export const resubmit = { maxAttempts: 9, onLost: 'resubmit' as const };
