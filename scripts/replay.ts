import { EMPTY, VirtualTimeScheduler, catchError, concat, filter, map } from 'rxjs';
import { lookUp } from '../sources/looks/look-up';
import { jobRoutes, type JobRoutes } from '../sources/looks/job-routes';
import { rejection } from '../sources/codecs/prompt.codec';
import { VALUES, commandLine, wrong } from './command-line';
import type { Recorded } from './recording/recording.codec';
import { isHttp, isPost, openSockets, promptIdOf, recordedAnswers, type Http } from './recording/recorded-server';
import { recordingAt, recordingsIn } from './recording/recording-files';
import { newestFrames, type NewestFrames } from '../sources/frames/newest-frames';
import { readingTime } from '../sources/frames/reading-time';
import { decoded } from '../sources/session';
import { jobBoard, type Board, type BoardEvent } from '../streams/board/board';
import { jobOf, queuedState } from '../streams/job/job';
import type { JobState } from '../streams/job/job-state';
import type { Report } from '../streams/operators/reporting';
import { barTickMs } from '../streams/job/progress/bar';
import { learned, type Learned } from '../streams/job/progress/learned/learned';
import { defaultTiming } from '../streams/job/timing';
import { graphOf } from '../streams/job/workflow';

/** One change of a job in a recording; `t` is the recording's. */
export interface Replayed {
  readonly t: number;
  readonly state: JobState;
}

const SERVER = 'recorded';
/** After the recording its last answers stand, and unsettled jobs are looked up again for so long. */
const AFTER_MS = 60_000;

/**
 * Feeds a recording's frames and `GET` answers through the decoding and the reduction that the service uses, on
 * virtual time, with the clock of its bars. Jobs are those that the recording posts, and any other that a frame names.
 * `knowledge` says what nodes take, and learns from the runs. `readsEvery` reads also the frames that newer ones overtake.
 */
export const replay = (
  recorded: readonly Recorded[],
  report: Report,
  knowledge: Learned = learned(),
  { readsEvery = false }: { readonly readsEvery?: boolean } = {},
): readonly Replayed[] => new Replay(recorded, report, knowledge, readsEvery).run();

class Replay {
  readonly #recorded: readonly Recorded[];
  readonly #report: Report;
  readonly #knowledge: Learned;
  readonly #readsEvery: boolean;
  readonly #clock = new VirtualTimeScheduler();
  readonly #board: Board;
  readonly #replayed: Replayed[] = [];
  readonly #known = new Set<string>();
  readonly #posts: ReadonlyMap<string, Http>;
  readonly #sockets = openSockets();
  readonly #texts = new Map<string, NewestFrames>();
  readonly #answers = recordedAnswers();
  readonly #routes = jobRoutes(this.#answers);

  constructor(recorded: readonly Recorded[], report: Report, knowledge: Learned, readsEvery: boolean) {
    this.#recorded = recorded;
    this.#report = report;
    this.#knowledge = knowledge;
    this.#readsEvery = readsEvery;
    this.#board = jobBoard(defaultTiming, report, knowledge.durationsOn);
    const posts = recorded.filter(isHttp).filter(isPost);
    this.#posts = new Map(posts.map((line) => [promptIdOf(line), line]));
  }

  run(): readonly Replayed[] {
    const clock = this.#clock;
    for (const line of this.#recorded) clock.schedule(() => this.#feed(line), line.t);
    const end = this.#recorded.reduce((latest, { t }) => Math.max(latest, t), 0);
    this.#tick('clock', barTickMs.longest, end);
    this.#tick('moment', barTickMs.shortest, end);
    for (let after = defaultTiming.suspectMs; after <= AFTER_MS; after += defaultTiming.suspectMs)
      clock.schedule(() => this.#look(undefined), end + after);
    clock.flush();
    return this.#replayed;
  }

  /** One after the other: the scheduler sorts all that waits at each. */
  #tick(tag: 'clock' | 'moment', everyMs: number, end: number): void {
    if (this.#clock.now() + everyMs > end) return;
    this.#clock.schedule(() => {
      this.#take({ tag, at: this.#clock.now() });
      this.#tick(tag, everyMs, end);
    }, everyMs);
  }

  #take(event: BoardEvent): void {
    for (const change of this.#board.take(event)) {
      if (change.tag === 'state') this.#replayed.push({ t: this.#clock.now(), state: change.state });
      if (change.tag === 'measured') this.#knowledge.learn(change.serverUrl, change.run, change.at);
    }
  }

  #open(promptId: string): void {
    if (this.#known.has(promptId)) return;
    this.#known.add(promptId);
    const body = (this.#posts.get(promptId)?.http.body ?? {}) as {
      readonly prompt?: unknown;
      readonly client_id?: string;
    };
    const at = this.#clock.now();
    const state = queuedState({ promptId, type: 'recorded', userId: 'recorded', serverUrl: SERVER, at });
    const job = jobOf(
      { ...state, ...(body.client_id !== undefined && { clientId: body.client_id }) },
      { graph: graphOf(body.prompt), accepted: true },
    );
    this.#take({ tag: 'opened', job });
  }

  #feed(line: Recorded): void {
    if (isHttp(line)) {
      this.#feedHttp(line);
      return;
    }
    const clientId = this.#sockets.clientOf(line);
    if (clientId === undefined) return;
    const at = this.#clock.now();
    if ('event' in line) {
      this.#textsOf(clientId).flush();
      const clean = 'code' in line && line.code !== 1006;
      this.#take(line.event === 'open' ? { tag: 'linked', clientId, at } : { tag: 'unlinked', clientId, at, clean });
      return;
    }
    const message = 'text' in line ? Buffer.from(line.text) : Buffer.from(line.binary, 'base64');
    if ('text' in line && !this.#readsEvery) this.#textsOf(clientId).takeAlone(message);
    else this.#tell(this.#read(message, 'binary' in line, clientId));
  }

  #read(frame: Buffer, isBinary: boolean, clientId: string): readonly BoardEvent[] {
    return decoded(frame, isBinary, { clientId, serverUrl: SERVER, at: this.#clock.now() }, this.#report);
  }

  #tell(events: readonly BoardEvent[]): void {
    for (const event of events) {
      if ('promptId' in event) this.#open(event.promptId);
      this.#take(event);
    }
  }

  #textsOf(clientId: string): NewestFrames {
    const clock = this.#clock;
    const made = (): NewestFrames =>
      newestFrames({
        read: (frame) => this.#read(frame, false, clientId),
        tell: (events) => this.#tell(events),
        clock,
        time: readingTime(() => clock.now()),
      });
    const texts = this.#texts.get(clientId) ?? made();
    this.#texts.set(clientId, texts);
    return texts;
  }

  #feedHttp(line: Http): void {
    const { method, path, status = 0, response } = line.http;
    if (isPost(line)) {
      const promptId = promptIdOf(line);
      this.#open(promptId);
      const at = this.#clock.now();
      if (status === 200) this.#take({ tag: 'accepted', promptId, at, postedAt: at });
      const rejected = status >= 400 ? rejection(response) : undefined;
      if (rejected !== undefined) this.#take({ tag: 'refused', promptId, at, ...rejected });
    } else if (method === 'GET') {
      this.#answers.put(line);
      this.#look(path);
    }
  }

  #look(path: string | undefined): void {
    lookThrough(this.#board, this.#routes, path, this.#clock, (event) => this.#take(event));
  }
}

/**
 * One look with the answers recorded so far, at the job that `path` names or else at all; what was not recorded is no
 * answer. An end that a job's own page tells holds, whatever an older look at the queue said.
 */
function lookThrough(
  board: Board,
  routes: JobRoutes,
  path: string | undefined,
  clock: VirtualTimeScheduler,
  take: (event: BoardEvent) => void,
): void {
  const named = /^\/(?:history|api\/jobs)\/([^/?]+)$/.exec(path ?? '')?.[1];
  const jobs = [...board.jobs.values()].filter((job) => named === undefined || job.state.promptId === named);
  if (jobs.length === 0) return;
  const look$ = lookUp(routes, clock)(jobs);
  const ended$ = named === undefined ? EMPTY : routes.one(named).pipe(filter((found) => found.tag === 'ended'));
  concat(ended$.pipe(map((found): BoardEvent => ({ ...found, promptId: named ?? '', at: clock.now() }))), look$)
    .pipe(catchError(() => EMPTY))
    .subscribe(take);
}

const USAGE = 'usage: replay [--learn FILE|DIR]… FILE…';

/** Prints each change as a JSON line, and nothing else, on standard output. */
function main(): number {
  const given = commandLine(USAGE, { learn: VALUES }, 'others');
  if (given.others.length === 0) wrong(USAGE);
  try {
    const known = learntFrom(given.values('learn'));
    for (const file of given.others) {
      const report: Report = (where, error) => console.error(`${file}: ${where}: ${String(error)}`);
      for (const { t, state } of replay(recordingAt(file), report, known))
        process.stdout.write(`${JSON.stringify(shown(t, state))}\n`);
    }
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
}

/** What the runs of these recordings teach. */
export function learntFrom(paths: readonly string[]): Learned {
  const known = learned();
  for (const file of recordingsIn(paths)) replay(recordingAt(file), () => undefined, known);
  return known;
}

const shown = (
  t: number,
  { promptId, status, phase, progress, etaMs, seq, node, failure, outputs }: JobState,
): unknown => ({
  t,
  promptId,
  status,
  phase,
  progress,
  etaMs,
  seq,
  node,
  failure,
  outputs,
});

if (require.main === module) process.exitCode = main();
