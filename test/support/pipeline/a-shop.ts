import { EMPTY, NEVER, Subject, VirtualTimeScheduler, defer, of, throwError, type Observable } from 'rxjs';
import type { Env } from '../../../pipeline/env';
import { choosing } from '../../../pipeline/posting/choose-server';
import { outages } from '../../../pipeline/posting/outages';
import { posting, type Posting, type PostingParts } from '../../../pipeline/posting/posting';
import type { StoredWorkflow } from '../../../sinks/codecs/stored-workflow.codec';
import type { ComfyUIServer } from '../../../sources/comfyui-server';
import { NoAnswer } from '../../../sources/rest/no-answer';
import type { Submission } from '../../../sources/rest/submission';
import { jobBoard, type Board, type BoardEvent } from '../../../streams/board/board';
import { jobOf } from '../../../streams/job/job';
import { watchers } from '../../../streams/maps/keyed-watchers';
import { runIdOf, type FailureKind, type JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import type { Workflow } from '../../../streams/job/workflow';
import { aFailure, aState } from '../../streams/job/a-job';

export const ONE = 'http://one';
export const OTHER = 'http://other';
const SERVERS = [ONE, OTHER];

/** A job that may run again, lost or starved. */
export const resubmit = { maxAttempts: 9, onLost: 'resubmit' as const };

export interface Posted {
  readonly at: number;
  readonly url: string;
  readonly runId: string;
}

/** How servers and store stand, which a test may change. */
const standing = () => ({
  answeredAt: new Map(SERVERS.map((url) => [url, 0])),
  cancels: { answered: true },
  /** What servers answer to a post, and whether they may have it without; that they took it, by default. */
  post: { answer$: undefined as Observable<BoardEvent> | undefined, maybeSent: false },
  leases: { held: true, trusted: true, term: 0 },
  /** What the store keeps, and what waits to be stored. */
  kept: new Map<string, Workflow>([['p', {}]]),
  waiting: new Map<string, StoredWorkflow>(),
  /** Since when what waits may be stored all the same, ms. */
  unheard: { sinceMs: 0 },
  /** Why the store does not answer, where it does not. */
  store: { away: undefined as Error | undefined },
});

/** What was asked of servers and store, in order. */
const asked = () => ({
  done: [] as string[],
  posts: [] as Posted[],
  puts: [] as JobState[],
  /** The workflows that were given to be kept. */
  keeps: [] as StoredWorkflow[],
  reports: [] as unknown[],
  /** What each run was handed to a server with. */
  handed: [] as Submission[],
});

const aScene = () => ({ clock: new VirtualTimeScheduler(), ...standing(), ...asked() });
type Scene = ReturnType<typeof aScene>;

const own = (url: string): string => `client of ${url}`;

/** A server that takes what is posted to it, if that is still wanted. */
function aServer(scene: Scene, url: string, tags: readonly string[] | undefined): ComfyUIServer {
  const { clock, answeredAt, cancels, post, done, posts, handed } = scene;
  const its: Pick<ComfyUIServer, 'url' | 'submit' | 'cancel' | 'free' | 'answeredAt'> = {
    url,
    submit: (submission) =>
      defer(() => {
        handed.push(submission);
        const { promptId, wanted, onTrouble } = submission;
        if (!wanted()) return EMPTY;
        done.push(`post ${url}`);
        posts.push({ at: clock.now(), url, runId: promptId });
        if (post.maybeSent) onTrouble?.(new NoAnswer('no answer', true));
        const at = clock.now();
        return post.answer$ ?? of<BoardEvent>({ tag: 'accepted', promptId, at, postedAt: at });
      }),
    cancel: (promptId) =>
      defer(() => {
        done.push(`cancel ${promptId}`);
        return cancels.answered ? EMPTY : throwError(() => new NoAnswer('no answer', true));
      }),
    free: () => defer(() => (done.push(`free ${url}`), EMPTY)),
    answeredAt: () => answeredAt.get(url) ?? 0,
  };
  return { ...its, ...(tags !== undefined && { tags }) } as ComfyUIServer;
}

const sessionsOf = ({ leases }: Scene): PostingParts['sessions'] => ({
  own,
  ready: () => EMPTY,
  leaseChanged: () => NEVER,
  lease: (clientId) => (clientId === '' || !leases.held ? 'none' : leases.trusted ? 'certain' : 'doubtful'),
  term: () => leases.term,
});

/** A store that has the workflows that are kept, and takes every state at once. */
const storeOf = ({
  kept,
  keeps,
  store,
  waiting,
  unheard,
  puts,
  done,
}: Scene): Pick<PostingParts, 'store' | 'writer'> => ({
  store: {
    workflow: (promptId) => {
      const { away } = store;
      if (away !== undefined) return throwError(() => away);
      const workflow = kept.get(promptId);
      return of(workflow && { tag: 'whole', prompt: { workflow: JSON.stringify(workflow) } });
    },
  },
  writer: {
    keep: (_promptId, workflow) => keeps.push(workflow),
    waitingWorkflow: (promptId) => waiting.get(promptId),
    write: () => of('stored'),
    waiting: () => undefined,
    renew: () => undefined,
    maybeStoredMs: (promptId) => (waiting.has(promptId) ? unheard.sinceMs : Infinity),
    stored: (state) =>
      defer(() => (puts.push(state), done.push(`store ${runIdOf(state)}`), store.away === undefined ? EMPTY : NEVER)),
  },
});

/** Posts as a pipeline does: what comes of it goes to the board, and what the board wants run again is posted again. */
function atWork(parts: Omit<PostingParts, 'told'>, board: Board, env: Env) {
  const states = watchers<JobState>();
  const told$ = new Subject<JobState>();
  const its: Posting = posting({ ...parts, told: (promptId) => states.changes(promptId) }, env);
  const take = (event: BoardEvent): void => {
    for (const change of board.take(event)) {
      if (change.tag === 'state') {
        states.tell(change.state.promptId, change.state);
        told$.next(change.state);
      }
      if (change.tag === 'released') states.release(change.promptId);
      if (change.tag === 'runAgain') heed(its.again(change.promptId, change.failure));
    }
  };
  const heed = (event$: Observable<BoardEvent>): void => void event$.subscribe(take);
  return {
    first: (state: JobState, stored: boolean) => its.first(state, { workflow: '{}' }, stored, () => new Map()),
    takenUp: its.takenUp.bind(its),
    stop: its.stop.bind(its),
    due$: its.due$,
    told$,
    take,
    heed,
  };
}

/** What may happen to the servers, and to the job `p`. */
const happenings = ({ clock, answeredAt }: Scene, board: Board, take: (event: BoardEvent) => void) => ({
  link: (url: string) => take({ tag: 'linked', clientId: own(url), at: clock.now() }),
  unlink: (url: string) => {
    answeredAt.set(url, 0);
    take({ tag: 'unlinked', clientId: own(url), at: clock.now(), clean: false });
  },
  answers: (url: string) => answeredAt.set(url, clock.now()),
  open: (more: Partial<JobState> = {}) => {
    const state = aState({ serverUrl: ONE, clientId: own(ONE), ...more });
    take({ tag: 'opened', job: jobOf(state, { accepted: true }) });
  },
  breaks: (kind: FailureKind) => {
    const state = board.job('p')?.state;
    if (state !== undefined) take({ tag: 'broke', promptId: runIdOf(state), at: clock.now(), failure: aFailure(kind) });
  },
});

const time = ({ clock }: Scene) => ({
  now: () => clock.now(),
  pass: (ms: number) => {
    clock.maxFrames = clock.frame + ms;
    clock.schedule(() => 'now', ms);
    clock.flush();
  },
});

/** A board, servers that take what is posted, and a store that keeps one workflow. */
export function aShop(tags: Readonly<Record<string, readonly string[]>> = {}) {
  const scene = aScene();
  const board = jobBoard(defaultTiming);
  const servers = SERVERS.map((url) => aServer(scene, url, tags[url]));
  const env: Env = {
    clock: scene.clock,
    random: () => 0.5,
    report: (_where, error) => scene.reports.push(error),
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  };
  const choice = choosing(servers, own, board, scene.clock);
  const sessions = sessionsOf(scene);
  const work = atWork({ choice, sessions, board, ...storeOf(scene) }, board, env);
  return {
    ...scene,
    ...choice,
    ...work,
    board,
    ...happenings(scene, board, work.take),
    ...time(scene),
    server: choice.asked,
    outage$: outages({ choice, board, sessions }, env),
  };
}
