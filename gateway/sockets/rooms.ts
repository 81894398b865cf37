import { defer, finalize, Observable, ReplaySubject, share, tap } from 'rxjs';
import { UnknownJob, type Pipeline, type Preview } from '../../pipeline/api';
import type { JobState } from '../../streams/job/job-state';
import { maySee, type Viewer } from '../admission/auth/auth';

/** What a member of a job's room hears. */
export type News =
  { readonly tag: 'state'; readonly job: JobState } | { readonly tag: 'preview'; readonly preview: Preview };

/** One job's news for all who joined. Both are shared: watched once however many listen, and not at all when nobody does. */
interface Room {
  /** The present state first, also for late comers; completes when the job settles. */
  readonly job$: Observable<JobState>;
  readonly preview$: Observable<Preview>;
}

/** The rooms of all jobs that somebody follows. */
export interface Rooms {
  /**
   * What one viewer hears of a job: its state first, then changes and previews; completes when it settles. Errors with
   * `UnknownJob` for a job that is not there or not theirs (R14).
   */
  news(promptId: string, viewer: Viewer): Observable<News>;
  /** The states of that alone. */
  states(promptId: string, viewer: Viewer): Observable<JobState>;
}

export const rooms = (pipeline: Pick<Pipeline, 'watch' | 'previews'>): Rooms => {
  const open = new Map<string, Room>();
  const roomOf = (promptId: string): Room => {
    const room = open.get(promptId) ?? makeRoom(promptId);
    open.set(promptId, room);
    return room;
  };
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
 * One observable rather than seven operators: there is one for each job that a socket follows, and thousands of sockets.
 * Previews are heard once the first state was.
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
