import { EMPTY, concat, defer, firstValueFrom, map, merge, of, type Observable } from 'rxjs';
import { UnknownJob, type ListQuery } from './api';
import { pageOf, type JobPage } from '../sinks/job-page';
import type { JobStore } from '../sinks/job-store';
import type { WriteBehind } from '../sinks/write-behind';
import type { Board } from '../streams/board/board';
import type { JobState } from '../streams/job/job-state';
import { neverBackward } from '../streams/operators/never-backward';
import type { Watchers } from '../streams/operators/keyed-watchers';

const PAGE = 50;
const MAX_PAGE = 500;
/** On an old server each job is renamed; a caller who was told the first id asks again soon, or never. */
const MAX_ALIASES = 10_000;

export interface AnswerParts {
  readonly board: Board;
  readonly local: Watchers;
  readonly writer: WriteBehind;
  readonly store: JobStore;
  /** Turns what the store cannot do now into a report. */
  readonly attempted: <T>(work$: Observable<T>) => Observable<T>;
}

/** What any instance answers about any job: its own as they are now, others as they are stored. */
export interface Answers {
  readonly get: (promptId: string) => Promise<JobState | undefined>;
  readonly list: (query?: ListQuery) => Promise<JobPage>;
  readonly watch: (promptId: string) => Observable<JobState>;
  /** The id a job goes by now: an old server may have given it another after its caller was told the first. */
  readonly idOf: (promptId: string) => string;
  readonly renamed: (promptId: string, as: string) => void;
}

export function answers({ board, local, writer, store, attempted }: AnswerParts): Answers {
  const aliases = new Map<string, string>();
  const idOf = (promptId: string): string => aliases.get(promptId) ?? promptId;

  const get$ = (promptId: string): Observable<JobState | undefined> =>
    defer(() => {
      const live = board.job(promptId);
      return live === undefined ? writer.get(promptId) : of(live.state);
    });

  const watch = (asked: string): Observable<JobState> =>
    defer(() => {
      const promptId = idOf(asked);
      const here$ = defer(() => {
        const live = board.job(promptId);
        return live === undefined ? EMPTY : merge(local.changes(promptId), of(live.state));
      });
      const present$ = writer.get(promptId).pipe(
        map((state) => {
          if (state === undefined) throw new UnknownJob('no such job');
          return state;
        }),
      );
      // Elsewhere, or from its end here on: what is taken up here later is told here as well.
      const anywhere$ = defer(() => merge(local.changes(promptId), store.changes(promptId), present$));
      return concat(here$, anywhere$);
    }).pipe(neverBackward());

  /** What the store holds, with what is not stored yet and the live jobs as they are now; those alone where it does not answer (R12). */
  async function list({ limit = PAGE, cursor, ...wanted }: ListQuery = {}): Promise<JobPage> {
    const query = { ...wanted, limit: Math.min(limit, MAX_PAGE), ...(cursor !== undefined && { cursor }) };
    const stored = await firstValueFrom(attempted(store.page({ ...wanted, limit: 1_000_000 })), {
      defaultValue: undefined,
    });
    const live = [...board.jobs.values()].map(({ state }) => state);
    const states = new Map(
      [...(stored?.jobs ?? []), ...writer.unwritten(), ...live].map((state) => [state.promptId, state]),
    );
    return pageOf([...states.values()], query);
  }

  return {
    get: (promptId) => firstValueFrom(get$(idOf(promptId))),
    list,
    watch,
    idOf,
    renamed: (promptId, as) => {
      aliases.set(promptId, as);
      const oldest = aliases.keys().next();
      if (aliases.size > MAX_ALIASES && oldest.done !== true) aliases.delete(oldest.value);
    },
  };
}
