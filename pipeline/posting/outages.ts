import {
  asapScheduler,
  bufferCount,
  concatMap,
  delay,
  from,
  interval,
  map,
  merge,
  mergeMap,
  of,
  share,
  type Observable,
} from 'rxjs';
import type { Choice } from './choose-server';
import type { Env } from '../env';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { lost } from '../../streams/job/failures';
import { runsAgain } from '../../streams/job/advance/derive';
import type { JobState } from '../../streams/job/job-state';

/** After a server was unhealthy for 60 s, its jobs that may run on another server are given up there. */
const AWAY_MS = 60_000;
/** After a server was unhealthy for 5 s, its jobs get a `silentSince`. */
const SILENT_MS = 5_000;
/** How often the health of all servers is checked, ms. Costs no request. */
const TICK_MS = 1_000;
/** How many jobs are marked silent in one turn of the event loop. */
const AT_ONCE = 50;

/**
 * The events for jobs on servers that do not answer: `silent` after `SILENT_MS`, `abandoned` after `AWAY_MS`. Checks
 * the servers each second, and their jobs only when an event is due (R17).
 */
export function outages(choice: Choice, board: BoardView, { clock }: Pick<Env, 'clock'>): Observable<BoardEvent> {
  const { servers, isHealthy, another } = choice;
  const since = new Map<string, number>();
  const tick$ = interval(TICK_MS, clock).pipe(
    map(() => {
      const now = clock.now();
      for (const server of servers) {
        if (isHealthy(server)) since.delete(server.url);
        else if (!since.has(server.url)) since.set(server.url, now);
      }
      return now;
    }),
    share(),
  );
  const longerThan = (ms: number, now: number): readonly string[] =>
    [...since].filter(([, began]) => now - began >= ms).map(([url]) => url);

  /** How many jobs each silent server had when they were marked: marked again only when that number changes. */
  const told = new Map<string, number>();
  const silent$ = tick$.pipe(
    mergeMap((now) => {
      const urls = longerThan(SILENT_MS, now);
      for (const url of told.keys()) if (!urls.includes(url)) told.delete(url);
      return urls.filter((url) => told.get(url) !== board.countOf(url));
    }),
    mergeMap((url) => {
      const began = since.get(url) ?? clock.now();
      const unmarked = board.ofServer(url).filter(({ state }) => state.silentSince === undefined);
      told.set(url, board.countOf(url));
      return from(unmarked.map(({ state }) => ({ promptId: state.promptId, since: began }))).pipe(
        bufferCount(AT_ONCE),
        concatMap((some) => of(some).pipe(delay(0, asapScheduler))),
        mergeMap((some) => some),
      );
    }),
    map((job): BoardEvent => ({ tag: 'silent', ...job, at: clock.now() })),
  );

  const abandoned$ = tick$.pipe(
    mergeMap((now) => {
      const urls = longerThan(AWAY_MS, now);
      const mayMove = memoized(({ serverUrl, type }: JobState) => another(serverUrl, type) !== undefined);
      if (urls.length === 0 || !servers.some(isHealthy)) return [];
      // Jobs are given up only if another server is healthy to take them: no answer is no evidence of a loss (R4).
      return urls
        .flatMap((url) => board.mayRunAgain(url))
        .filter(({ state, stage }) => stage.tag !== 'betweenRuns' && runsAgain(state, lost) && mayMove(state));
    }),
    map(({ state: { promptId } }): BoardEvent => ({ tag: 'abandoned', promptId, at: clock.now() })),
  );
  return merge(silent$, abandoned$);
}

/** Asks `mayMove` once for all jobs of one server and type. */
function memoized(mayMove: (state: JobState) => boolean): (state: JobState) => boolean {
  const answers = new Map<string, boolean>();
  return (state) => {
    const key = JSON.stringify([state.serverUrl, state.type]);
    const answer = answers.get(key) ?? mayMove(state);
    answers.set(key, answer);
    return answer;
  };
}
