import { EMPTY, VirtualTimeScheduler, defer, delay, finalize, of, throwError, type Observable } from 'rxjs';
import type { SubmitRequest } from '../../../pipeline/api';
import { beginnings, type BeginningParts } from '../../../pipeline/submit/beginnings';
import { submissions, type SubmissionParts } from '../../../pipeline/submit/submissions';
import { inTransit } from '../../../pipeline/sessions/transit';
import { StoreUnavailable, type PutOutcome, type Usage } from '../../../sinks/job-store';
import type { BoardEvent } from '../../../streams/board/board';
import { jobOf } from '../../../streams/job/job';
import type { JobState } from '../../../streams/job/job-state';

export const REQUEST: SubmitRequest = {
  type: 'image_generation',
  userId: 'ada',
  workflow: { '1': { class_type: 'X', inputs: {} } },
};

/** How the store answers. */
interface How {
  outcome: PutOutcome | 'away';
  usage: 'known' | 'away';
  answerMs: number;
}

interface Desk {
  readonly how: How;
  readonly used: Usage;
  readonly keys: Map<string, string>;
  readonly stored: Map<string, JobState>;
  readonly asked: number[];
  readonly done: string[];
  readonly clock: VirtualTimeScheduler;
}

const away = () => throwError(() => new StoreUnavailable('away'));

const storing = ({ how, used, keys, stored, asked, done, clock }: Desk) => ({
  store: {
    // As the real ones: it counts what it has stored, but for the jobs that the caller counts.
    usage: (userId: string, besides: readonly string[] = []) =>
      defer(() => {
        asked.push(besides.length);
        if (how.usage === 'away') return away();
        const own = [...stored].filter(([id, job]) => job.userId === userId && !besides.includes(id));
        return of({ jobs: used.jobs + own.length, bytes: used.bytes });
      }),
    reserve: (key: string, text: string) => of(keys.get(key) ?? (keys.set(key, text), text)),
    amend: () => EMPTY,
  },
  writer: {
    write: (state: JobState) =>
      defer(() => {
        done.push(`write at ${clock.now()}`);
        if (how.outcome !== 'away') stored.set(state.promptId, state);
        if (how.outcome === 'away') return away();
        return how.answerMs === 0 ? of(how.outcome) : of(how.outcome).pipe(delay(how.answerMs, clock));
      }),
  },
});

/** A store that answers each write as it is told to, or not at all; a server; a user with so much under way. */
export function aDesk({
  limits = { jobs: 10, bytes: 1_000, nodes: 10 },
  ...more
}: Partial<SubmissionParts & BeginningParts> = {}) {
  const clock = new VirtualTimeScheduler();
  const done: string[] = [];
  const reports: unknown[] = [];
  const transit = inTransit();
  const used = { jobs: 0, bytes: 0 };
  const here = { jobs: 0, nodes: 0 };
  const how: How = { outcome: 'stored', usage: 'known', answerMs: 0 };
  const keys = new Map<string, string>();
  const stored = new Map<string, JobState>();
  const asked: number[] = [];
  const parts = {
    choice: { asked: () => ({ url: 'http://one' }) },
    sessions: { own: () => 'client', ready: () => EMPTY },
    board: { session: () => undefined, countOfUser: () => here.jobs, nodesOfUser: () => here.nodes },
    posting: {
      first: (state: JobState, _prompt: unknown, isStored: boolean) =>
        defer(() => {
          done.push(
            `post at ${clock.now()}${isStored ? '' : ' unstored'}${transit.has(state.promptId) ? '' : ' seen'}`,
          );
          return of<BoardEvent>({ tag: 'opened', job: jobOf(state) });
        }),
    },
    reads: { get: () => Promise.resolve(undefined), present: () => Promise.resolve(undefined) },
    transit,
    ...storing({ how, used, keys, stored, asked, done, clock }),
    keys: { of: () => undefined, note: () => undefined },
    sight: { caughtUp: () => EMPTY },
    limits,
    timeoutMs: () => undefined,
    run: (command$: Observable<BoardEvent>) =>
      new Promise<void>((resolve) => command$.pipe(finalize(resolve)).subscribe()),
    ...more,
  };
  const begun = beginnings(parts as unknown as BeginningParts, {
    clock,
    random: () => 0.5,
    report: (_where, error) => reports.push(error),
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  });
  const submit = submissions({ ...(parts as unknown as SubmissionParts), beginnings: begun });
  /** What was asked for before is begun; then virtual time goes on. */
  const pass = async (ms: number): Promise<void> => {
    await new Promise(setImmediate);
    clock.maxFrames = clock.frame + ms;
    clock.schedule(() => 'now', ms);
    clock.flush();
    await new Promise(setImmediate);
  };
  return { submit, done, reports, transit, used, here, how, pass, stored, asked, keys };
}
