import { concat, filter, firstValueFrom, ignoreElements, of, takeUntil, timer, type Observable } from 'rxjs';
import { InvalidRequest, NotReported, UnknownJob, type Pipeline } from '../api';
import type { Env } from '../env';
import type { Reads } from '../reads/reads';
import { ANSWER_MS, passedOn } from './passed-on';
import { ownOf } from '../submit/request';
import { StoreUnavailable, type JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import { reportEvent } from '../../sources/reports/reported-session';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { isSettled, sessionOf, type JobState } from '../../streams/job/job-state';
import type { JobReport } from '../../streams/reports/job-report';
import { objectionsToReport } from '../../streams/reports/objections';

export interface ReportParts {
  readonly board: Pick<BoardView, 'job'>;
  readonly reads: Pick<Reads, 'present' | 'stands' | 'watch'>;
  readonly store: Pick<JobStore, 'leases'>;
  readonly writer: Pick<WriteBehind, 'stored' | 'waiting'>;
  readonly run: (command$: Observable<BoardEvent>) => Promise<void>;
}

/**
 * Takes reports at any instance, and passes those of jobs that another instance watches on to that one. An end is
 * answered only once it is stored: the program may exit after the answer.
 */
export function reports(
  { board, reads, store, writer, run }: ReportParts,
  { clock }: Pick<Env, 'clock'>,
): Pipeline['report'] {
  const takenHere = (promptId: string, report: JobReport): Promise<void> =>
    run(of(reportEvent(promptId, report, clock.now())));

  const pass = passedOn({ board, reads, store }, clock);
  /** If no instance has the job, waits for a successor, which may be this one. */
  async function takenElsewhere(session: string, promptId: string, report: JobReport): Promise<void> {
    await pass(session, promptId, report);
    if (board.job(promptId) !== undefined) await takenHere(promptId, report);
  }

  /** Resolves once a settled state is stored: until then it would be lost with this instance. */
  const kept = (state: JobState): Promise<JobState> =>
    writer.waiting(state.promptId) === undefined
      ? Promise.resolve(state)
      : inTime(
          concat(writer.stored(state).pipe(ignoreElements()), of(state)).pipe(
            filter(() => writer.waiting(state.promptId) === undefined),
          ),
          'the job’s end is not stored yet',
        );

  const inTime = (state$: Observable<JobState>, orElse: string): Promise<JobState> =>
    firstValueFrom(state$.pipe(takeUntil(timer(ANSWER_MS, clock)))).catch((error: unknown) => {
      throw new StoreUnavailable(orElse, { cause: error });
    });

  return async (promptId, given, isShown) => {
    const [objection] = objectionsToReport(given);
    if (objection !== undefined) throw new InvalidRequest(objection.field, objection.message);
    const report = ownOf(given);
    const state = await reads.present(promptId, isShown);
    if (state === undefined) throw new UnknownJob('no such job');
    if (state.reported === undefined) throw new NotReported('the job does not report itself');
    if (!isSettled(state)) {
      if (board.job(promptId) !== undefined) await takenHere(promptId, report);
      else await takenElsewhere(sessionOf(state) ?? '', promptId, report);
    }
    const now = (await reads.present(promptId)) ?? state;
    if (!isSettled(now)) return now;
    const end = await kept(now);
    if (await reads.stands(promptId)) return end;
    // Another instance took the job, while this one was suspended say, and its state counts: it must take the report.
    await takenElsewhere(sessionOf(state) ?? '', promptId, report);
    return (await reads.present(promptId)) ?? end;
  };
}
