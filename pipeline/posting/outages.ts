import { exhaustMap, filter, interval, map, merge, mergeMap, share, type Observable } from 'rxjs';
import type { Choice } from './choose-server';
import type { Env } from '../env';
import type { Sessions } from '../sessions/sessions';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { sessionOf, type JobState } from '../../streams/job/job-state';
import { inSlices } from '../../streams/maps/chunks';
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
/** How many jobs are marked silent at once; the next ones 20 ms later. */
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
 * the servers each second, and the jobs of those that are away (R17). Jobs that may not run again ignore `abandoned`.
 */
export function outages(
  { choice, board, sessions }: OutageParts,
  { clock }: Pick<Env, 'clock'>,
): Observable<BoardEvent> {
  const { servers, isHealthy, another } = choice;
  const unhealthy = new Map<ComfyUIServer, Unhealthy>();
  const tick$ = interval(TICK_MS, clock).pipe(
    map(() => {
      const now = clock.now();
      for (const server of servers) {
        const { began, checks } = unhealthy.get(server) ?? { began: now, checks: -1 };
        if (isHealthy(server)) unhealthy.delete(server);
        else unhealthy.set(server, { began, checks: checks + 1 });
      }
    }),
    share(),
  );
  const longerThan = (ms: number): readonly (readonly [server: ComfyUIServer, since: Unhealthy])[] =>
    [...unhealthy].filter(([, { checks }]) => checks * TICK_MS >= ms);

  const unmarked = () =>
    longerThan(SILENT_MS).flatMap(([server, { began: since }]) =>
      board
        .ofServer(server.url)
        .filter(({ state }) => state.silentSince === undefined)
        .map(({ state: { promptId } }) => ({ server, promptId, since })),
    );
  const silent$ = tick$.pipe(
    exhaustMap(() => inSlices(unmarked(), AT_ONCE, clock)),
    // By the time of the last slice the server may have come back.
    filter(({ server }) => !isHealthy(server)),
    map(({ promptId, since }): BoardEvent => ({ tag: 'silent', promptId, since, at: clock.now() })),
  );

  // Where the lease is in doubt, another instance may have the job and follow its run, which we would stop.
  const isOurs = (state: JobState): boolean => sessions.lease(sessionOf(state) ?? '') === 'certain';
  const abandoned$ = tick$.pipe(
    mergeMap(() => {
      const mayMove = memoized(({ serverUrl, type }: JobState) => another(serverUrl, type) !== undefined);
      if (!servers.some(isHealthy)) return [];
      // Jobs are given up only if another server is healthy to take them: no answer is no evidence of a loss (R4).
      return longerThan(AWAY_MS)
        .flatMap(([{ url }]) => board.mayRunAgain(url))
        .filter(({ state }) => isOurs(state) && mayMove(state));
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
