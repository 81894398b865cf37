import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isLeft } from 'fp-ts/Either';
import {
  EMPTY,
  VirtualTimeScheduler,
  catchError,
  concat,
  defer,
  filter,
  map,
  of,
  throwError,
  type Observable,
} from 'rxjs';
import { lookAt } from '../sources/looks/look-at';
import { lookup, type Lookup } from '../sources/looks/lookup';
import { NoAnswer, read, type Answer } from '../sources/rest';
import { rejection } from '../sources/codecs/prompt.codec';
import { readRecording, type Recorded } from './recording.codec';
import { decoded } from '../sources/session';
import { jobBoard, type Board, type BoardEvent } from '../streams/board/board';
import { jobOf, queuedState } from '../streams/job/job';
import type { JobState } from '../streams/job/job-state';
import type { Report } from '../streams/operators/reporting';
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
/** The clock of bars. */
const BAR_MS = 1_000;

type Http = Extract<Recorded, { http: unknown }>;

/**
 * Feeds a recording's frames and `GET` answers through the decoding and the reduction that the service uses, on
 * virtual time, with the clock of its bars. Jobs are those that the recording posts, and any other that a frame names.
 * `knowledge` says what nodes take, and learns from the runs.
 */
export function replay(
  recorded: readonly Recorded[],
  report: Report,
  knowledge: Learned = learned(),
): readonly Replayed[] {
  const clock = new VirtualTimeScheduler();
  const board = jobBoard(defaultTiming, report, knowledge.durationsOn);
  const replayed: Replayed[] = [];
  const take = (event: BoardEvent): void => {
    for (const change of board.take(event)) {
      if (change.tag === 'state') replayed.push({ t: clock.now(), state: change.state });
      if (change.tag === 'measured') knowledge.learn(change.serverUrl, change.run, change.at);
    }
  };
  const known = new Set<string>();
  const open = (promptId: string, post?: Http): void => {
    if (known.has(promptId)) return;
    known.add(promptId);
    const body = (post?.http.body ?? {}) as { readonly prompt?: unknown; readonly client_id?: string };
    const state = queuedState({ promptId, type: 'recorded', userId: 'recorded', serverUrl: SERVER, at: clock.now() });
    const job = jobOf(
      { ...state, ...(body.client_id !== undefined && { clientId: body.client_id }) },
      { graph: graphOf(body.prompt), accepted: true },
    );
    take({ tag: 'opened', job });
  };
  const posts = new Map(
    recorded
      .filter(isHttp)
      .filter(isPost)
      .map((line) => [promptIdOf(line), line]),
  );
  const sockets = openSockets();
  const answers = recordedAnswers();
  const routes = lookup(answers.get);

  const feed = (line: Recorded): void => {
    if (isHttp(line)) {
      feedHttp(line);
      return;
    }
    const clientId = sockets.clientOf(line);
    if (clientId === undefined) return;
    const at = clock.now();
    if ('event' in line) {
      const clean = 'code' in line && line.code !== 1006;
      take(line.event === 'open' ? { tag: 'linked', clientId, at } : { tag: 'unlinked', clientId, at, clean });
      return;
    }
    const message = 'text' in line ? Buffer.from(line.text) : Buffer.from(line.binary, 'base64');
    for (const event of decoded(message, 'binary' in line, { clientId, serverUrl: SERVER, at }, report)) {
      if ('promptId' in event) open(event.promptId, posts.get(event.promptId));
      take(event);
    }
  };

  const feedHttp = (line: Http): void => {
    const { method, path, status = 0, response } = line.http;
    if (isPost(line)) {
      const promptId = promptIdOf(line);
      open(promptId, line);
      const at = clock.now();
      if (status === 200) take({ tag: 'accepted', promptId, at, postedAt: at });
      else if (status >= 400 && status < 500) take({ tag: 'refused', promptId, at, ...rejection(status, response) });
    } else if (method === 'GET') {
      answers.put(line);
      lookThrough(board, routes, path, clock, take);
    }
  };

  for (const line of recorded) clock.schedule(() => feed(line), line.t);
  const end = recorded.reduce((latest, { t }) => Math.max(latest, t), 0);
  for (let at = BAR_MS; at <= end; at += BAR_MS) clock.schedule(() => take({ tag: 'clock', at: clock.now() }), at);
  for (let after = defaultTiming.suspectMs; after <= AFTER_MS; after += defaultTiming.suspectMs)
    clock.schedule(() => lookThrough(board, routes, undefined, clock, take), end + after);
  clock.flush();
  return replayed;
}

/**
 * One look with the answers recorded so far, at the job that `path` names or else at all; what was not recorded is no
 * answer. An end that a job's own page tells holds, whatever an older look at the queue said.
 */
function lookThrough(
  board: Board,
  routes: Lookup,
  path: string | undefined,
  clock: VirtualTimeScheduler,
  take: (event: BoardEvent) => void,
): void {
  const named = /^\/(?:history|api\/jobs)\/([^/?]+)$/.exec(path ?? '')?.[1];
  const jobs = [...board.jobs.values()].filter((job) => named === undefined || job.state.promptId === named);
  if (jobs.length === 0) return;
  const look$ = lookAt(routes, clock)(jobs);
  const ended$ = named === undefined ? EMPTY : routes.one(named).pipe(filter((found) => found.tag === 'ended'));
  concat(ended$.pipe(map((found): BoardEvent => ({ ...found, promptId: named ?? '', at: clock.now() }))), look$)
    .pipe(catchError(() => EMPTY))
    .subscribe(take);
}

const isHttp = (line: Recorded): line is Http => 'http' in line;
const isPost = ({ http: { method, path } }: Http): boolean => method === 'POST' && path === '/prompt';

/** The server's own id, else the one that was asked for. */
function promptIdOf({ http: { response, body } }: Http): string {
  const [answered, asked] = [response, body] as { readonly prompt_id?: string }[];
  return answered?.prompt_id ?? asked?.prompt_id ?? 'unnamed';
}

/** Which client's socket a line is of, if that is the client's newest: a session drops what an older one says (R6). */
function openSockets(): { clientOf(line: Exclude<Recorded, Http>): string | undefined } {
  const clients = new Map<string, string>();
  const newest = new Map<string, string>();
  return {
    clientOf: (line) => {
      if ('clientId' in line) {
        clients.set(line.ws, line.clientId);
        newest.set(line.clientId, line.ws);
      }
      const clientId = clients.get(line.ws);
      return clientId !== undefined && newest.get(clientId) === line.ws ? clientId : undefined;
    },
  };
}

/** The newest answer to each path so far. A list of jobs that was never asked for is a route that the server lacks. */
function recordedAnswers(): { put: (line: Http) => void; get: (path: string) => Observable<Answer> } {
  const byPath = new Map<string, Http['http']>();
  return {
    put: ({ http }) => byPath.set(http.path, http),
    get: (path) =>
      defer(() => {
        const { status, response } = byPath.get(path) ?? {};
        if (status !== undefined)
          return of(read(status, '', typeof response === 'string' ? response : JSON.stringify(response)));
        // A recording's posts tell the ids that count.
        if (path.startsWith('/history?')) return of({ status: 200, json: {} });
        if (path.startsWith('/api/jobs')) return of({ status: 404, json: undefined });
        return throwError(() => new NoAnswer(`${path} was not recorded`, true));
      }),
  };
}

const USAGE = 'usage: replay [--learn FILE|DIR]… FILE…';

/** `replay [--learn FILE|DIR]… FILE…`: prints each change as a JSON line, and nothing else, on standard output. */
export function main(args: readonly string[]): number {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { learn: { type: 'string', multiple: true } },
      allowPositionals: true,
    });
    if (positionals.length === 0) throw new TypeError(USAGE);
    const known = learntFrom(values.learn ?? []);
    for (const file of positionals) {
      const report: Report = (where, error) => console.error(`${file}: ${where}: ${String(error)}`);
      for (const { t, state } of replay(recordingAt(file), report, known))
        process.stdout.write(`${JSON.stringify(shown(t, state))}\n`);
    }
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return error instanceof TypeError ? 2 : 1;
  }
}

/** What the runs of these recordings teach. */
export function learntFrom(paths: readonly string[]): Learned {
  const known = learned();
  for (const file of recordingsIn(paths)) replay(recordingAt(file), () => undefined, known);
  return known;
}

/** The files named, and all recordings in the folders named. */
export const recordingsIn = (paths: readonly string[]): readonly string[] =>
  paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
    return names
      .filter((name) => name.endsWith('.jsonl'))
      .sort()
      .map((name) => join(path, name));
  });

/** Throws an error that names the file. */
export function recordingAt(file: string): readonly Recorded[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  }
  const recorded = readRecording(text);
  if (isLeft(recorded)) throw new Error(`${file}: ${recorded.left.message}`);
  return recorded.right;
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

if (require.main === module) process.exitCode = main(process.argv.slice(2));
