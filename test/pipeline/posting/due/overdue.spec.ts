import { VirtualTimeScheduler } from 'rxjs';
import { overdue } from '../../../../pipeline/posting/overdue';
import { jobBoard } from '../../../../streams/board/board';
import { silentTooLong, timedOut } from '../../../../streams/job/failures';
import { jobOf } from '../../../../streams/job/job';
import type { Failure, JobState } from '../../../../streams/job/job-state';
import { defaultTiming } from '../../../../streams/job/timing';
import { reportedJob } from '../../../../streams/reports/reported-job';
import { aState } from '../../../streams/job/a-job';

/** When, and of what, a job fails whose time is up; while the lease for reports is doubtful in some of that time, ms. */
function failing(more: Partial<JobState>, doubt: readonly [from: number, to: number] = [0, 0]) {
  const clock = new VirtualTimeScheduler(undefined, 600_000);
  const board = jobBoard(defaultTiming);
  const state = aState({ promptId: 'p', epoch: 0, ...more });
  board.take({ tag: 'opened', job: state.reported === undefined ? jobOf(state) : reportedJob(state) });
  const isInDoubt = (): boolean => clock.now() >= doubt[0] && clock.now() < doubt[1];
  const sessions = { own: () => 'of reports', lease: () => (isInDoubt() ? 'doubtful' : 'certain') } as const;
  let failed: readonly [at: number, failure: Failure] | undefined;
  overdue(board, sessions, clock).subscribe(({ job, failure }) => {
    failed ??= [clock.now(), failure];
    board.take({ tag: 'refused', promptId: job.state.promptId, at: clock.now(), failure });
  });
  clock.flush();
  return failed;
}

const reported = (silentMs: number) => ({ reported: { silentMs, count: 0, heardAt: 0 } });

test('a job has timed out at its deadline, or is looked at 250 ms after it at most', () => {
  expect(failing({ deadlineAt: 10_000 })).toEqual([10_000, timedOut]);
  expect(failing({ deadlineAt: 10_001 })).toEqual([10_250, timedOut]);
  expect(failing({})).toBeUndefined();
});

test('a reported job has once no report came for as long as it may be silent; a deadline before that counts', () => {
  expect(failing(reported(5_000))).toEqual([5_000, silentTooLong(5_000)]);
  expect(failing({ ...reported(5_000), deadlineAt: 4_000 })).toEqual([4_000, timedOut]);
  expect(failing({ ...reported(5_000), deadlineAt: 5_000 })).toEqual([5_000, timedOut]);
});

test('[R12] while reports may go to another instance silence proves nothing, nor for as long as a program needs to come back', () => {
  expect(failing(reported(5_000), [4_000, 20_250])).toEqual([25_000, silentTooLong(5_000)]);
  expect(failing(reported(60_000), [59_000, 80_250])).toEqual([110_000, silentTooLong(60_000)]);
  // In doubt before that, and for too short a time to matter.
  expect(failing(reported(60_000), [1_000, 2_000])).toEqual([60_000, silentTooLong(60_000)]);
});

test('a deadline counts in doubt, too', () => {
  expect(failing({ ...reported(5_000), deadlineAt: 6_000 }, [0, 60_000])).toEqual([6_000, timedOut]);
  expect(failing({ deadlineAt: 6_000 }, [0, 60_000])).toEqual([6_000, timedOut]);
});
