import { NEVER, VirtualTimeScheduler, throwError } from 'rxjs';
import { UnknownJob } from '../../../pipeline/api';
import { callsOf, type CallParts } from '../../../pipeline/instance/calls';
import { StoreUnavailable, UnreadableState } from '../../../sinks/job-store';
import { jobBoard } from '../../../streams/board/board';
import { defaultTiming } from '../../../streams/job/timing';

/** What becomes of the previews of another instance's job whose states cannot be had. */
function previewsWhere(error: Error) {
  const told: unknown[] = [];
  const parts = {
    board: jobBoard(defaultTiming),
    store: { previews: () => NEVER },
    reads: { watch: () => throwError(() => error) },
    local: { previews: { changes: () => NEVER } },
    sessions: {},
    life: {},
    curves: {},
    stop$: NEVER,
  };
  const pipeline = callsOf(parts as unknown as CallParts, {
    clock: new VirtualTimeScheduler(),
    random: () => 0.5,
    report: (where, reported) => told.push([where, reported]),
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  });
  pipeline
    .previews('job')
    .subscribe({ error: (thrown: unknown) => told.push(thrown), complete: () => told.push('complete') });
  return told;
}

test('previews of a job that is none complete', () => {
  expect(previewsWhere(new UnknownJob('no such job'))).toEqual(['complete']);
});

test.each([new StoreUnavailable('away'), new UnreadableState('job', 'it is not JSON')])(
  'previews wait on where the states cannot be read: %s',
  (error) => {
    expect(previewsWhere(error)).toEqual([]);
  },
);

test('a mistake of ours in following their job is reported', () => {
  const mistake = new TypeError('a mistake');
  expect(previewsWhere(mistake)).toEqual([['previews', mistake]]);
});
