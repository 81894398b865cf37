import { NEVER, defer, distinctUntilChanged, filter, map, of, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { jobBoard, type Board, type BoardEvent, type Change } from '../../../streams/board/board';
import { jobOf } from '../../../streams/job/job';
import { jobChanges, type Policy, type Server, type Session, type Sources } from '../../../streams/changes/job-changes';
import type { Timing } from '../../../streams/job/timing';
import { SERVER, aState, sampling, type Fact } from '../job/a-job';
import { absent, broke, ended, executed, found, started, step, succeeded } from '../job/facts';
import { Sockets, isReopened } from './a-socket';
import { lookedUpAt } from '../../../streams/job/advance/next-look';

const marbles = (): TestScheduler => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));

/** Short, so that a diagram shows it. */
const timing: Timing = {
  auditMs: 100,
  maxAuditMs: 400,
  takeoverMs: 4,
  pollMs: 5,
  suspectMs: 6,
  soonMs: 2,
  lostAfterMs: 10,
  deafMs: 8,
  quietMs: 40,
  trapQuietMs: 6,
  maxQuietMs: 80,
};

/** What sockets, looks and commands bring, a letter each; all of the job `p` and the session `c`. */
export const facts: Record<string, Fact> = {
  s: started,
  1: step(1),
  2: step(2),
  3: step(3),
  x: executed(),
  d: succeeded,
  b: broke('node_error'),
  r: found('running'),
  q: found('pending', 1),
  e: ended(),
  n: absent,
};
export const opened = (promptId = 'p', more = {}): BoardEvent => ({
  tag: 'opened',
  job: lookedUpAt(jobOf(aState({ promptId, ...more }), { graph: sampling, accepted: true }), timing.auditMs),
});
/** The same, to be looked at from the first. */
export const due = (promptId = 'p', more = {}): BoardEvent => ({
  tag: 'opened',
  job: jobOf(aState({ promptId, ...more }), { graph: sampling, accepted: true }),
});

/** What is seen of a change: enough to tell them apart, one letter each. */
export const seen: Record<string, unknown> = {
  o: { status: 'queued', via: 'websocket' },
  q: { status: 'queued', via: 'polling', queuePosition: 1 },
  w: { status: 'queued', via: 'websocket', queuePosition: 1 },
  s: { status: 'processing', via: 'websocket' },
  r: { status: 'processing', via: 'polling' },
  1: { status: 'processing', via: 'websocket', step: 1 },
  2: { status: 'processing', via: 'websocket', step: 2 },
  3: { status: 'processing', via: 'websocket', step: 3 },
  p: { status: 'processing', via: 'polling', step: 1 },
  R: { status: 'processing', via: 'websocket', step: 1 },
  x: { status: 'processing', via: 'websocket', step: 1 },
  e: { status: 'completed', via: 'websocket' },
  E: { status: 'completed', via: 'polling' },
  B: { status: 'failed', via: 'websocket' },
  L: { status: 'failed', via: 'polling' },
};
const shown = (change: Change): unknown => {
  if (change.tag !== 'state') return change;
  const { status, via, node, queuePosition } = change.state;
  return {
    status,
    via,
    ...(node !== undefined && { step: node.value }),
    ...(queuePosition !== undefined && { queuePosition }),
  };
};

const isRunning = (seen: unknown): boolean => (seen as { status?: unknown }).status === 'processing';

export const aSession = { clientId: 'c', serverUrl: SERVER, inherited: false, mayOpen: () => true, end$: NEVER };

export type Helpers = Parameters<Parameters<TestScheduler['run']>[0]>[0];

export const policyOn = (clock: TestScheduler): Policy => ({
  tickMs: 2,
  reconnect: { steadyMs: 1_000, delayMs: (_, error) => (isReopened(error) ? 0 : 10) },
  look: { steadyMs: 1_000, delayMs: (n) => 10 * n },
  clock,
  isTransient: () => true,
});

/** Sessions and servers, of marbles: what sockets and looks bring, a letter each. */
function outside(scheduler: TestScheduler) {
  const told = (letter: string): BoardEvent => ({ promptId: 'p', at: scheduler.now(), ...facts[letter]! });
  const looked = (letters$: Observable<string>): Observable<BoardEvent> => letters$.pipe(map(told));
  const sockets = new Sockets(scheduler, told);
  return {
    looked,
    session: (letters$: Observable<string>, more: Partial<Session> = {}): Session => ({
      ...aSession,
      connect: sockets.of(letters$),
      ...more,
    }),
    server: (letters$: Observable<string>, more: Partial<Server> = {}): Server => ({
      url: SERVER,
      answeredAt: () => 1,
      lookUp: () => looked(letters$),
      ...more,
    }),
  };
}

/** The page over sockets, looks and commands given as marbles, on virtual time. */
function aPage(scheduler: TestScheduler, { hot }: Pick<Helpers, 'hot'>) {
  const board = jobBoard(timing);
  const reports: string[] = [];
  const silent = (): Sources => ({
    servers: [],
    session$: NEVER,
    command$: hot<Observable<BoardEvent>>('o', { o: of(opened()) }),
    stop$: NEVER,
  });
  /** The page, by what is seen of its changes. */
  const page = (sources: Partial<Sources>, over: Partial<Policy> = {}): Observable<unknown> => {
    const policy = { ...policyOn(scheduler), ...over };
    return jobChanges({ ...silent(), ...sources }, board, policy, (where) => reports.push(where)).pipe(
      filter(({ tag }) => tag !== 'measured'),
      map(shown),
      // Of a job that runs the bar may have gone on by the clock between two that look alike.
      distinctUntilChanged((a, b) => isRunning(a) && JSON.stringify(a) === JSON.stringify(b)),
    );
  };
  return { ...outside(scheduler), board, reports, page };
}

/** One after the other, a subscription each; the last again and again. */
export const sequence = <T>(...all$: readonly Observable<T>[]): Observable<T> => {
  let next = 0;
  return defer(() => all$[Math.min(next++, all$.length - 1)]!);
};

/** Runs a test of the page in virtual time. */
export function run(check: (kit: ReturnType<typeof aPage> & Helpers & { scheduler: TestScheduler }) => void): {
  board: Board;
  reports: readonly string[];
} {
  const scheduler = marbles();
  return scheduler.run((helpers) => {
    const page = aPage(scheduler, helpers);
    check({ ...helpers, ...page, scheduler, cold: helpers.cold });
    return page;
  });
}

/** Subscriptions to something that ends at once, at these times. */
export const at = (...frames: readonly number[]): string[] => frames.map((frame) => `${frame}ms (^!)`);
