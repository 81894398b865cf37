import { EMPTY, VirtualTimeScheduler, defer, throwError, type Observable } from 'rxjs';
import { keptCurves } from '../../../pipeline/reports/kept-curves';
import { StoreUnavailable } from '../../../sinks/job-store';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';

/** Curves over virtual time, and a store that can be away. */
function curvesOf() {
  const clock = new VirtualTimeScheduler();
  const link = { down: false };
  const written: string[] = [];
  const reports: unknown[] = [];
  const keepFile = (promptId: string): Observable<never> =>
    defer(() => {
      if (link.down) return throwError(() => new StoreUnavailable('away'));
      written.push(promptId);
      return EMPTY;
    });
  const env = {
    clock,
    random: () => 0.5,
    report: (_where: string, error: unknown) => reports.push(error),
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  };
  const curves = keptCurves({ file: () => EMPTY, keepFile }, env);
  curves.kept$.subscribe();
  return {
    curves,
    link,
    reports,
    /** The jobs whose curves were written since the last call. */
    written: () => written.splice(0),
    pass: (ms: number) => {
      clock.maxFrames = clock.frame + ms;
      clock.schedule(() => 'now', ms);
      clock.flush();
    },
  };
}

const told = (promptId: string, count: number, more: Partial<JobState> = {}): JobState =>
  aState({
    promptId,
    reported: { heardAt: count * 1_000, count, silentMs: 60_000 },
    metrics: { loss: 1 / count },
    ...more,
  });
const ended = (promptId: string): JobState => told(promptId, 2, { status: 'completed' });

test('what grew is written once, every 5 s, and nothing else', () => {
  const { curves, written, pass } = curvesOf();
  for (const promptId of ['a', 'b']) curves.take(told(promptId, 1));
  pass(5_000);
  expect(written()).toEqual(['a', 'b']);
  curves.take(told('b', 2));
  pass(5_000);
  expect(written()).toEqual(['b']);
  pass(60_000);
  expect(written()).toEqual([]);
});

test('of a job that ended it is written at once, and is another’s to write where the job is', () => {
  const { curves, written, pass } = curvesOf();
  for (const promptId of ['a', 'b']) curves.take(told(promptId, 1));
  curves.take(ended('a'));
  expect(written()).toEqual(['a']);
  curves.forget('b');
  pass(5_000);
  expect(written()).toEqual([]);
});

test('in an outage of the store the thousand jobs are remembered that ended last, and all that live', async () => {
  const { curves, link, written, pass } = curvesOf();
  link.down = true;
  for (const promptId of ['live', 'late']) curves.take(told(promptId, 1));
  for (let n = 0; n < 1_001; n++) curves.take(ended(`job-${n}`));
  curves.take(ended('late'));
  expect((await curves.of('job-1')).points).toEqual([]);
  expect((await curves.of('job-2')).points).toHaveLength(1);
  link.down = false;
  pass(5_000);
  expect(written()).toHaveLength(1_001);
});
