import { EMPTY, Observable, Subject, VirtualTimeScheduler, defer, of, throwError } from 'rxjs';
import { decodeCurves } from '../../../pipeline/reports/curves.codec';
import { keptCurves } from '../../../pipeline/reports/kept-curves';
import { StoreUnavailable, type StoredFile } from '../../../sinks/job-store';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';

/** Curves over virtual time, and a store that can be away, or slow: then it answers once `done$` completes. */
function curvesOf() {
  const clock = new VirtualTimeScheduler();
  const link: { down: boolean; done$: Observable<never> } = { down: false, done$: EMPTY };
  const files = new Map<string, StoredFile>();
  const written: string[] = [];
  const read: string[] = [];
  const reports: unknown[] = [];
  const answered = <T>(work: () => Observable<T>): Observable<T> =>
    defer(() => (link.down ? throwError(() => new StoreUnavailable('away')) : work()));
  const store = {
    file: (promptId: string) => answered(() => (read.push(promptId), of(files.get(promptId)))),
    keepFile: (promptId: string, _name: string, file: StoredFile) =>
      answered(() => {
        written.push(promptId);
        files.set(promptId, file);
        return link.done$;
      }),
  };
  const env = {
    clock,
    random: () => 0.5,
    report: (_where: string, error: unknown) => reports.push(error),
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  };
  const curves = keptCurves(store, env);
  curves.kept$.subscribe();
  return {
    curves,
    link,
    reports,
    /** The jobs whose curves were written, or read, since the last call. */
    written: () => written.splice(0),
    read: () => read.splice(0),
    /** What the store has of a job. */
    losses: (promptId: string) => decodeCurves(files.get(promptId)!.bytes).points.map(({ metrics }) => metrics['loss']),
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
/** As a later instance tells of it. */
const takenUp = (promptId: string, count: number): JobState => told(promptId, count, { epoch: 1_700_000_009_000 });

test('what grew is written once, every 5 s, and nothing else', () => {
  const { curves, written, pass } = curvesOf();
  for (const promptId of ['a', 'b']) curves.take(told(promptId, 1));
  pass(4_999);
  expect(written()).toEqual([]);
  pass(1);
  expect(written()).toEqual(['a', 'b']);
  const again = told('b', 2);
  curves.take(again);
  pass(5_000);
  expect(written()).toEqual(['b']);
  curves.take({ ...again, progress: 50 });
  pass(60_000);
  expect(written()).toEqual([]);
});

test('of a job that ended it is written at once, and is another’s to write where the job is', () => {
  const { curves, written, read, pass } = curvesOf();
  const metrics = { loss: 0.5 };
  for (const promptId of ['a', 'b']) curves.take(told(promptId, 1, { metrics }));
  curves.take(told('a', 2, { metrics, status: 'completed' }));
  expect(written()).toEqual(['a']);
  curves.forget('b');
  pass(60_000);
  expect([written(), read()]).toEqual([[], []]);
});

test('a job without a number, or that does not report itself, has none to write', async () => {
  const { curves, written, pass } = curvesOf();
  const { metrics: _, ...silent } = told('silent', 1);
  curves.take(silent);
  curves.take({ ...silent, status: 'failed' });
  curves.take(aState({ promptId: 'comfy', metrics: { loss: 1 } }));
  pass(5_000);
  expect(written()).toEqual([]);
  expect(await curves.of('comfy')).toEqual({ points: [], everyMs: 0 });
});

test('those of a job that began here are never read; of one that was taken up once, and go on where they were', async () => {
  const { curves, read, losses, pass } = curvesOf();
  curves.take(told('a', 1));
  curves.take(told('a', 2));
  pass(5_000);
  expect([read(), losses('a')]).toEqual([[], [1, 1 / 2]]);
  curves.forget('a');
  for (const count of [4, 5]) {
    curves.take(takenUp('a', count));
    pass(5_000);
  }
  expect([read(), losses('a')]).toEqual([['a'], [1, 1 / 2, 1 / 4, 1 / 5]]);
  expect((await curves.of('a')).points).toHaveLength(4);
});

test('before they were read, they are told with those that the store has', async () => {
  const { curves, pass } = curvesOf();
  curves.take(told('a', 1));
  pass(5_000);
  curves.forget('a');
  curves.take(takenUp('a', 2));
  expect((await curves.of('a')).points).toHaveLength(2);
});

test('of an ended job they are the store’s to remember, once it has them, and not among those that wait for it', async () => {
  const { curves, link, read } = curvesOf();
  for (let n = 0; n < 1_001; n++) curves.take(ended(`job-${n}`));
  curves.take(told('live', 1));
  expect((await curves.of('job-1000')).points).toHaveLength(1);
  expect((await curves.of('live')).points).toHaveLength(1);
  expect(read()).toEqual(['job-1000']);
  link.down = true;
  curves.take(ended('late'));
  expect((await curves.of('late')).points).toHaveLength(1);
});

test('what grew while the end was written is not forgotten with it', () => {
  const { curves, link, written, losses, pass } = curvesOf();
  const done$ = new Subject<never>();
  link.done$ = done$;
  curves.take(ended('a'));
  curves.take(told('a', 3, { status: 'completed' }));
  link.done$ = EMPTY;
  done$.complete();
  pass(5_000);
  expect([written(), losses('a')]).toEqual([
    ['a', 'a'],
    [1 / 2, 1 / 3],
  ]);
});

test('[R17] a slow store is given eight jobs at a time, and each once, however long it takes', () => {
  const { curves, link, written, losses, pass } = curvesOf();
  const done$ = new Subject<never>();
  link.done$ = done$;
  const ids = Array.from({ length: 10 }, (_, n) => `job-${n}`);
  for (const promptId of ids) curves.take(told(promptId, 1));
  pass(60_000);
  expect(written()).toEqual(ids.slice(0, 8));
  curves.take(ended('job-0'));
  curves.take(ended('job-9'));
  expect(written()).toEqual(['job-9']);
  link.done$ = EMPTY;
  done$.complete();
  expect(written()).toEqual(['job-8']);
  pass(5_000);
  expect([written(), losses('job-0')]).toEqual([['job-0'], [1, 1 / 2]]);
});

test('a write that fails is reported and repeated; not where the job is another’s by then', () => {
  const { curves, link, written, reports, pass } = curvesOf();
  const broken$ = new Subject<never>();
  link.done$ = broken$;
  for (const promptId of ['a', 'b']) curves.take(told(promptId, 1));
  pass(5_000);
  expect(written()).toEqual(['a', 'b']);
  curves.forget('b');
  link.done$ = EMPTY;
  broken$.error(new StoreUnavailable('away'));
  pass(5_000);
  expect([written(), reports]).toEqual([['a'], [expect.any(StoreUnavailable), expect.any(StoreUnavailable)]]);
});

test('a job that goes while its curves are read is not written', () => {
  const clock = new VirtualTimeScheduler();
  const read$ = new Subject<undefined>();
  const did: unknown[] = [];
  const store = { file: () => read$, keepFile: () => (did.push('written'), EMPTY) };
  const env = { clock, random: () => 0.5, report: (_where: string, error: unknown) => did.push(error) };
  const curves = keptCurves(store, { ...env, backoff: { steadyMs: 0, delayMs: () => 1_000 } });
  curves.take(takenUp('a', 1));
  curves.flush().subscribe();
  curves.forget('a');
  read$.next(undefined);
  expect(did).toEqual([]);
});

test('in an outage of the store the thousand jobs are remembered that ended last, and all that live', async () => {
  const { curves, link, written, pass } = curvesOf();
  link.down = true;
  for (const promptId of ['live', 'late']) curves.take(told(promptId, 1));
  for (let n = 0; n < 1_001; n++) curves.take(ended(`job-${n}`));
  curves.take(ended('late'));
  link.down = false;
  expect((await curves.of('job-1')).points).toEqual([]);
  expect((await curves.of('job-2')).points).toHaveLength(1);
  pass(5_000);
  expect(written()).toHaveLength(1_001);
});
