import { filter, firstValueFrom, retry, throwError, timeout, timer, type Observable } from 'rxjs';
import type { Pipeline, SubmitRequest, Workflow } from '../../../pipeline/api';
import { createPipeline, type PipelineOptions } from '../../../pipeline/instance/create-pipeline';
import { StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import { isNewer, isSettled, type JobState } from '../../../streams/job/job-state';
import type { Timing } from '../../../streams/job/timing';
import { PATIENCE_MS } from '../until';

/** As in earnest, some ten times as fast. */
export const hurried: Partial<Timing> = {
  auditMs: 2_000,
  maxAuditMs: 8_000,
  takeoverMs: 300,
  pollMs: 300,
  suspectMs: 400,
  soonMs: 150,
  lostAfterMs: 1_000,
  deafMs: 1_000,
  quietMs: 1_500,
  trapQuietMs: 600,
};

/** What one watcher sees of a job. */
export interface Watched {
  readonly states: readonly JobState[];
  /** The first state that fits, those so far included. */
  where(fits: (state: JobState) => boolean): Promise<JobState>;
  readonly end: Promise<JobState>;
}

/** One running instance of several. */
export interface Instance {
  readonly pipeline: Pipeline;
  readonly reports: readonly (readonly [where: string, error: unknown])[];
  /** Submits a workflow and watches it. */
  readonly run: (workflow: object, more?: Partial<SubmitRequest>) => Promise<Watched & { readonly promptId: string }>;
  readonly watch: (promptId: string) => Watched;
}

type Report = NonNullable<PipelineOptions['report']>;
export interface InstanceOptions extends Partial<Omit<PipelineOptions, 'store'>> {
  readonly servers: PipelineOptions['servers'];
  readonly store: (report: Report) => JobStore;
}

const running = new Set<Pipeline>();

/** Starts a pipeline that `closeAll` closes. */
export function anInstance({ store, timing, ...options }: InstanceOptions): Instance {
  const reports: [string, unknown][] = [];
  const report: Report = (where, error) => void reports.push([where, error]);
  const opened = createPipeline({
    store: store(report),
    report,
    random: () => 0.3,
    socketTiming: { closeMs: 300 },
    timing: { ...hurried, ...timing },
    ...options,
  });
  running.add(opened);
  const pipeline: Pipeline = {
    ...opened,
    close: () => {
      running.delete(opened);
      return opened.close();
    },
  };
  const watch = (promptId: string): Watched => watching(pipeline, promptId);
  return {
    pipeline,
    reports,
    watch,
    run: async (workflow, more) => {
      const request = { type: 'image_generation', userId: 'ada', workflow: workflow as Workflow, ...more };
      const { promptId } = await pipeline.submit(request);
      return Object.assign(watch(promptId), { promptId });
    },
  };
}

export async function closeAll(): Promise<void> {
  const all = [...running];
  running.clear();
  await Promise.all(all.map((pipeline) => pipeline.close()));
}

function watching(pipeline: Pipeline, promptId: string): Watched {
  const states: JobState[] = [];
  const waiting = new Set<() => void>();
  let error: Error | undefined;
  // A store that is a second late, on a machine that is busy with much else, is asked again, as any caller does.
  const again = (error: unknown): Observable<unknown> =>
    error instanceof StoreUnavailable && states.length === 0 ? timer(100) : throwError(() => error);
  const state$ = pipeline.watch(promptId).pipe(retry({ delay: again }));
  state$.subscribe({
    next: (state) => {
      states.push(state);
      for (const look of [...waiting]) look();
    },
    error: (thrown: unknown) => {
      error = thrown as Error;
      for (const look of [...waiting]) look();
    },
  });
  const where = (fits: (state: JobState) => boolean): Promise<JobState> =>
    new Promise((resolve, reject) => {
      const impatient = setTimeout(() => {
        const last = JSON.stringify(states.at(-1));
        settle(() => reject(new Error(`waited in vain for ${fits.toString()}; last: ${last}`)));
      }, PATIENCE_MS);
      const settle = (how: () => void): void => {
        clearTimeout(impatient);
        waiting.delete(look);
        how();
      };
      const look = (): void => {
        const found = states.find(fits);
        const failed = error;
        if (found !== undefined) settle(() => resolve(found));
        else if (failed !== undefined) settle(() => reject(failed));
      };
      waiting.add(look);
      look();
    });
  return {
    states,
    where,
    get end() {
      return where(isSettled);
    },
  };
}

/** The first batch of jobs that an instance took up, with this one in it. */
export const takenUp = (pipeline: Pipeline, promptId: string): Promise<readonly JobState[]> =>
  firstValueFrom(
    pipeline.recovered$.pipe(
      filter((states) => states.some((state) => state.promptId === promptId)),
      timeout(PATIENCE_MS),
    ),
  );

/** [R2, R11] What a watcher saw never went backward. */
export function expectForward(states: readonly JobState[]): void {
  states.slice(1).forEach((state, index) => {
    const before = states[index]!;
    expect(isNewer(state, before)).toBe(true);
    expect(state.progress).toBeGreaterThanOrEqual(before.progress);
    expect(state.attempt).toBeGreaterThanOrEqual(before.attempt);
    if (state.attempt === before.attempt && before.status === 'processing') expect(state.status).not.toBe('queued');
  });
}
