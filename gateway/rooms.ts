import {
  endWith,
  filter,
  finalize,
  map,
  merge,
  ReplaySubject,
  share,
  skipUntil,
  takeWhile,
  type Observable,
} from 'rxjs';
import { UnknownJob, type Pipeline, type Preview } from '../pipeline-api';
import { maySee, type Viewer } from './auth';
import { publicJob, type PublicJob } from './public-job';

/** What a member of a job's room hears. */
export type News =
  { readonly tag: 'state'; readonly job: PublicJob } | { readonly tag: 'preview'; readonly preview: Preview };

/** One job's news for all who joined. Both are shared: watched once however many listen, and not at all when nobody does. */
interface Room {
  /** The present state first, also for late comers; completes when the job settles. */
  readonly job$: Observable<PublicJob>;
  readonly preview$: Observable<Preview>;
}

/** The rooms of all jobs that somebody follows. */
export interface Rooms {
  /**
   * What one viewer hears of a job: its state first, then changes and previews; completes when it settles. Errors with
   * `UnknownJob` for a job that is not there or not theirs (R14).
   */
  news(promptId: string, viewer: Viewer): Observable<News>;
}

export const rooms = (pipeline: Pick<Pipeline, 'watch' | 'previews$'>): Rooms => {
  const open = new Map<string, Room>();
  const roomOf = (promptId: string): Room => {
    const room = open.get(promptId) ?? makeRoom(promptId);
    open.set(promptId, room);
    return room;
  };
  const makeRoom = (promptId: string): Room => ({
    job$: pipeline.watch(promptId).pipe(
      map(publicJob),
      finalize(() => open.delete(promptId)),
      share({ connector: () => new ReplaySubject(1) }),
    ),
    preview$: pipeline.previews$.pipe(
      filter((preview) => preview.promptId === promptId),
      share(),
    ),
  });
  return {
    news: (promptId: string, viewer: Viewer) => newsFor(viewer, roomOf(promptId)),
  } satisfies Rooms;
};

function newsFor(viewer: Viewer, { job$, preview$ }: Room): Observable<News> {
  const seen$ = job$.pipe(map(seenBy(viewer)));
  return merge(
    seen$.pipe(
      map((job): News => ({ tag: 'state', job })),
      endWith(null),
    ),
    preview$.pipe(
      skipUntil(seen$),
      map((preview): News => ({ tag: 'preview', preview })),
    ),
  ).pipe(takeWhile((news) => news !== null));
}

const seenBy =
  (viewer: Viewer) =>
  (job: PublicJob): PublicJob => {
    if (maySee(viewer, job)) return job;
    throw new UnknownJob(job.promptId);
  };
