import {
  concat,
  filter,
  firstValueFrom,
  ignoreElements,
  lastValueFrom,
  of,
  repeat,
  takeUntil,
  takeWhile,
  timer,
  type Observable,
} from 'rxjs';
import { InvalidRequest, NotReported, UnknownJob, type Pipeline } from '../api';
import type { Env } from '../env';
import type { Reads } from '../reads/reads';
import { ownOf } from '../submit/request';
import { StoreUnavailable, type JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import { reportEvent } from '../../sources/reports/reported-session';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { isSettled, sessionOf, type JobState } from '../../streams/job/job-state';
import { isEnd, type JobReport } from '../../streams/reports/job-report';
import { objectionsToReport } from '../../streams/reports/objections';

/** For how long, and how often, a report is sent to the holder of its job's session until one receives it, ms. */
const ANSWER_MS = 10_000;
const ASKED_AGAIN_MS = 250;

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

  /** Sends the report to the session's holder; if there is none, waits for a successor, which may be this instance. */
  async function takenElsewhere(session: string, promptId: string, report: JobReport): Promise<void> {
    const heard$ = store.leases.ask(session, { tag: 'report', promptId, report }).pipe(
      repeat({ delay: () => timer(ASKED_AGAIN_MS, clock) }),
      takeWhile((heard) => !heard && board.job(promptId) === undefined, true),
      takeUntil(timer(ANSWER_MS, clock)),
    );
    const heard = await lastValueFrom(heard$, { defaultValue: false });
    if (board.job(promptId) !== undefined) return takenHere(promptId, report);
    if (!heard) throw new StoreUnavailable('no instance watches over the job just now');
    if (isEnd(report)) await ended(promptId);
  }

  const ended = (promptId: string): Promise<JobState> =>
    inTime(reads.watch(promptId).pipe(filter((state) => isSettled(state))), 'the job’s end is not heard of yet');

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
