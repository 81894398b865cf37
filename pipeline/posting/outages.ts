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
import type { Sessions } from '../sessions/sessions';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { lost } from '../../streams/job/failures';
import { runsAgain } from '../../streams/job/advance/derive';
import { sessionOf, type JobState } from '../../streams/job/job-state';
import { getOrInsert } from '../../streams/maps/remember';

/** After a server was unhealthy for 60 s, its jobs that may run on another server are given up there. */
const AWAY_MS = 60_000;
/** After a server was unhealthy for 5 s, its jobs get a `silentSince`. */
const SILENT_MS = 5_000;
/**
 * How often the health of all servers is checked, ms. Costs no request. Time is counted by these checks: a process that
 * stood still, or whose clock was set, knows nothing of the time between two of them.
 */
const TICK_MS = 1_000;
/** How many jobs are marked silent in one turn of the event loop. */
const AT_ONCE = 50;

export interface OutageParts {
  readonly choice: Choice;
  readonly board: BoardView;
  readonly sessions: Pick<Sessions, 'lease'>;
}

/** Since when a server is unhealthy, ms since 1970, and in how many checks since. */
interface Unhealthy {
  readonly began: number;
  readonly checks: number;
}

/**
 * The events for jobs on servers that do not answer: `silent` after `SILENT_MS`, `abandoned` after `AWAY_MS`. Checks
 * the servers each second, and their jobs only when an event is due (R17).
 */
export function outages(
  { choice, board, sessions }: OutageParts,
  { clock }: Pick<Env, 'clock'>,
): Observable<BoardEvent> {
  const { servers, isHealthy, another } = choice;
  const unhealthy = new Map<string, Unhealthy>();
  const tick$ = interval(TICK_MS, clock).pipe(
    map(() => {
      const now = clock.now();
      for (const server of servers) {
        const { began, checks } = unhealthy.get(server.url) ?? { began: now, checks: -1 };
        if (isHealthy(server)) unhealthy.delete(server.url);
        else unhealthy.set(server.url, { began, checks: checks + 1 });
      }
    }),
    share(),
  );
  const longerThan = (ms: number): readonly string[] =>
    [...unhealthy].filter(([, { checks }]) => checks * TICK_MS >= ms).map(([url]) => url);

  /** How many jobs each silent server had when they were marked: marked again only when that number changes. */
  const told = new Map<string, number>();
  const silent$ = tick$.pipe(
    mergeMap(() => {
      const urls = longerThan(SILENT_MS);
      for (const url of told.keys()) if (!urls.includes(url)) told.delete(url);
      return urls.filter((url) => told.get(url) !== board.countOf(url));
    }),
    mergeMap((url) => {
      const began = unhealthy.get(url)?.began ?? clock.now();
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

  // Where the lease is in doubt, another instance may have the job and follow its run, which we would stop.
  const isOurs = (state: JobState): boolean => sessions.lease(sessionOf(state) ?? '') === 'certain';
  const abandoned$ = tick$.pipe(
    mergeMap(() => {
      const urls = longerThan(AWAY_MS);
      const mayMove = memoized(({ serverUrl, type }: JobState) => another(serverUrl, type) !== undefined);
      if (urls.length === 0 || !servers.some(isHealthy)) return [];
      // Jobs are given up only if another server is healthy to take them: no answer is no evidence of a loss (R4).
      return urls
        .flatMap((url) => board.mayRunAgain(url))
        .filter(
          ({ state, stage }) =>
            stage.tag !== 'betweenRuns' && runsAgain(state, lost) && isOurs(state) && mayMove(state),
        );
    }),
    map(({ state: { promptId } }): BoardEvent => ({ tag: 'abandoned', promptId, at: clock.now() })),
  );
  return merge(silent$, abandoned$);
}

/** Asks `mayMove` once for all jobs of one server and type. */
function memoized(mayMove: (state: JobState) => boolean): (state: JobState) => boolean {
  const answers = new Map<string, boolean>();
  return (state) => {
    return getOrInsert(answers, JSON.stringify([state.serverUrl, state.type]), () => mayMove(state));
  };
}
