import { EMPTY, NEVER, Subject, VirtualTimeScheduler, defer, of, throwError, type Observable } from 'rxjs';
import { NotReported, UnknownJob, type JobReport } from '../../../pipeline/api';
import { reports, type ReportParts } from '../../../pipeline/reports/reports';
import { StoreUnavailable } from '../../../sinks/job-store';
import type { BoardEvent } from '../../../streams/board/board';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';

const reported = (count = 1) => ({ silentMs: 60_000, heardAt: 0, count });
const running = aState({ clientId: 'of the holder', reported: reported() });
const ended = aState({ ...running, status: 'completed', seq: 9 });
const step: JobReport = { count: 2, value: 2, max: 100 };
const end: JobReport = { count: 2, outputs: ['a'] };

/** An instance to which a report comes: of a job in this state, which it has, or another that hears of it or not. */
function anInstance({ state = running, isHere = false, isHeard = false } = {}) {
  const clock = new VirtualTimeScheduler();
  clock.maxFrames = 0;
  const now = {
    state: state as JobState | undefined,
    isHere,
    waiting: undefined as JobState | undefined,
    stands: true,
  };
  const states$ = new Subject<JobState>();
  const asked: unknown[] = [];
  const taken: BoardEvent[] = [];
  const stored$ = new Subject<never>();
  const parts = {
    board: { job: () => (now.isHere ? {} : undefined) },
    reads: {
      present: () => Promise.resolve(now.state),
      stands: () => Promise.resolve(now.stands),
      watch: (): Observable<JobState> => states$,
    },
    store: {
      leases: {
        ask: (session: string) => defer(() => (asked.push([clock.now(), session]), of(isHeard))),
      },
    },
    writer: { waiting: () => now.waiting, stored: () => stored$ as Observable<never> },
    run: (command$: Observable<BoardEvent>) => {
      command$.subscribe((event) => taken.push(event));
      return Promise.resolve();
    },
  };
  const given = reports(parts as unknown as ReportParts, { clock });
  return {
    parts,
    now,
    states$,
    stored$,
    asked,
    taken,
    /** What comes of a report by then. */
    report: (report: JobReport = step) => given('job-1', report),
    pass: async (ms: number) => {
      await new Promise(setImmediate);
      clock.maxFrames = clock.frame + ms;
      clock.schedule(() => 'now', ms);
      clock.flush();
      await new Promise(setImmediate);
    },
  };
}

test('a report is refused of a job that is none, or that ComfyUI runs', async () => {
  const { now, report } = anInstance();
  now.state = undefined;
  await expect(report()).rejects.toThrow(UnknownJob);
  await expect(anInstance({ state: aState() }).report()).rejects.toThrow(NotReported);
});

test('a report of a job that is here is taken here; of one that has ended nowhere', async () => {
  const here = anInstance({ isHere: true });
  // Not stored yet: only an end is to be before it is answered.
  here.now.waiting = running;
  expect(await here.report()).toBe(running);
  expect([here.taken, here.asked]).toEqual([[expect.objectContaining({ tag: 'reported', report: step })], []]);
  const over = anInstance({ isHere: true, state: ended });
  expect(await over.report()).toBe(ended);
  expect([over.taken, over.asked]).toEqual([[], []]);
});

test('a report is sent to the holder of the job’s session each 250 ms, until a state shows that it was taken', async () => {
  const { report, pass, asked, states$, now, taken } = anInstance();
  const answer = report();
  await pass(500);
  states$.next(running);
  await pass(250);
  expect(asked).toEqual([0, 250, 500, 750].map((at) => [at, 'of the holder']));
  now.state = aState({ ...running, reported: reported(2) });
  states$.next(now.state);
  await pass(5_000);
  expect([await answer, asked.length, taken]).toEqual([now.state, 4, []]);
});

test('an end is taken once the job has ended, whatever it has counted', async () => {
  const { report, pass, states$, now } = anInstance();
  let answer: JobState | undefined;
  void report(end).then((state) => (answer = state));
  await pass(0);
  states$.next(aState({ ...running, reported: reported(2) }));
  await pass(0);
  expect(answer).toBeUndefined();
  now.state = ended;
  states$.next(ended);
  await pass(0);
  expect(answer).toBe(ended);
});

test('who takes the job up while a report is passed on takes it', async () => {
  const { report, pass, now, taken } = anInstance();
  const answer = report();
  await pass(1_000);
  now.isHere = true;
  await pass(250);
  expect(await answer).toBe(running);
  expect(taken).toEqual([expect.objectContaining({ tag: 'reported', report: step })]);
});

test.each([
  [false, 'no instance watches over the job just now'],
  [true, 'the instance that watches over the job has not taken the report yet'],
])('a report that nobody takes in 10 s is not answered (heard: %s)', async (isHeard, complaint) => {
  const { report, pass, asked } = anInstance({ isHeard });
  const outcome = expect(report()).rejects.toThrow(new StoreUnavailable(complaint));
  await pass(9_999);
  expect(asked).toHaveLength(40);
  await pass(1);
  await outcome;
});

test('[R12] a report that cannot be passed on says why, at once', async () => {
  const { parts, report } = anInstance();
  parts.store.leases.ask = () => throwError(() => new StoreUnavailable('away'));
  await expect(report()).rejects.toThrow(new StoreUnavailable('away'));
});

test('an end is answered once it is stored, not before', async () => {
  const { report, pass, now, stored$ } = anInstance({ state: ended });
  now.waiting = ended;
  let answer: JobState | undefined;
  void report(end).then((state) => (answer = state));
  await pass(9_999);
  expect(answer).toBeUndefined();
  now.waiting = undefined;
  stored$.complete();
  await pass(0);
  expect(answer).toBe(ended);
});

test.each<[string, Observable<never>]>([
  ['in 10 s', NEVER],
  ['as it was given up', EMPTY],
])('an end that is not stored %s is not answered: it would be lost with this instance', async (_how, stored$) => {
  const { parts, report, pass, now } = anInstance({ state: ended });
  parts.writer.stored = () => stored$;
  now.waiting = ended;
  const complaint = 'the job’s end is not stored yet';
  const outcome = expect(report(end)).rejects.toMatchObject({ name: 'StoreUnavailable', message: complaint });
  await pass(10_000);
  await outcome;
});

test('[R11] an end here that another instance’s state overrules is passed on to that instance', async () => {
  const { report, pass, now, states$, asked } = anInstance({ state: ended });
  now.stands = false;
  const answer = report(end);
  await pass(0);
  expect(asked).toEqual([[0, 'of the holder']]);
  now.state = aState({ ...ended, epoch: 1_700_000_009_000 });
  states$.next(now.state);
  expect(await answer).toBe(now.state);
});

test('a job that is gone by the time of the answer is told as it was', async () => {
  const its = anInstance({ isHere: true });
  const [was, none] = [Promise.resolve(running), Promise.resolve(undefined)];
  let asked = 0;
  its.parts.reads.present = () => (asked++ === 0 ? was : none);
  expect(await its.report()).toBe(running);
});
