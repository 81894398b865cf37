import { defer, finalize, Observable, ReplaySubject, share, tap } from 'rxjs';
import { UnknownJob, type Pipeline, type Preview } from '../../pipeline/api';
import type { JobState } from '../../streams/job/job-state';
import { maySee, type Viewer } from '../admission/auth/auth';
import { getOrInsert } from '../../streams/maps/remember';

/** News of one job. */
export type News =
  { readonly tag: 'state'; readonly job: JobState } | { readonly tag: 'preview'; readonly preview: Preview };

/** The shared news of one job: the pipeline is watched once for all subscribers, and not at all without any. */
interface Room {
  /** The present state, also for late subscribers, then each change; completes when the job settles. */
  readonly job$: Observable<JobState>;
  readonly preview$: Observable<Preview>;
}

/** The rooms of all jobs that are followed. */
export interface Rooms {
  /**
   * A job's state, then its changes and previews; completes when it settles. Errors with `UnknownJob` if the job does
   * not exist, or the viewer may not see it (R14).
   */
  news(promptId: string, viewer: Viewer): Observable<News>;
  /** The same without previews. */
  states(promptId: string, viewer: Viewer): Observable<JobState>;
}

export const rooms = (pipeline: Pick<Pipeline, 'watch' | 'previews'>): Rooms => {
  const open = new Map<string, Room>();
  const roomOf = (promptId: string): Room => getOrInsert(open, promptId, () => makeRoom(promptId));
  const makeRoom = (promptId: string): Room => ({
    job$: pipeline.watch(promptId).pipe(
      finalize(() => open.delete(promptId)),
      share({ connector: () => new ReplaySubject(1) }),
    ),
    preview$: defer(() => pipeline.previews(promptId)).pipe(share()),
  });
  return {
    news: (promptId: string, viewer: Viewer) => newsFor(viewer, roomOf(promptId)),
    states: (promptId: string, viewer: Viewer) =>
      defer(() => roomOf(promptId).job$).pipe(
        tap((job) => {
          if (!maySee(viewer, job)) throw new UnknownJob(job.promptId);
        }),
      ),
  } satisfies Rooms;
};

/**
 * One observable in place of seven operators, because there is one for each job of each of thousands of sockets.
 * Previews are passed on after the first state.
 */
const newsFor = (viewer: Viewer, { job$, preview$ }: Room): Observable<News> =>
  new Observable((out) => {
    let seen = false;
    out.add(
      job$.subscribe({
        next: (job) => {
          seen = maySee(viewer, job);
          if (seen) out.next({ tag: 'state', job });
          else out.error(new UnknownJob(job.promptId));
        },
        error: (error: unknown) => out.error(error),
        complete: () => out.complete(),
      }),
    );
    if (out.closed) return;
    out.add(
      preview$.subscribe({
        next: (preview) => {
          if (seen) out.next({ tag: 'preview', preview });
        },
        error: (error: unknown) => out.error(error),
      }),
    );
  });
