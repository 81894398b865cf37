import {
  asyncScheduler,
  auditTime,
  catchError,
  defer,
  endWith,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  Observable,
  ReplaySubject,
  share,
  takeWhile,
  tap,
  throwError,
} from 'rxjs';
import { isSettled } from '../../../streams/job/job-state';
import { neverBackward } from '../../../streams/operators/never-backward';
import type { PreviewHead, ServerEvents } from '../../wire/protocol';
import type { PublicJob } from '../../wire/public-job';
import { ANSWER_MS, noAnswer, overEach, patiently } from './asking';
import { bytesOf, isJob, jobIn } from './checked';
import { JobstreamError } from '../jobstream-error';
import type { Link } from '../link';
import { getOrInsert } from '../../../streams/maps/remember';

/** An image that a running node shows while it works. */
export interface Preview extends PreviewHead {
  readonly image: Uint8Array<ArrayBuffer>;
}

type News = { readonly tag: 'state'; readonly job: PublicJob } | { readonly tag: 'preview'; readonly preview: Preview };

/** One job's room. All subscribers share one join; the last one that unsubscribes leaves. */
export interface Room {
  /** The present state, also for late subscribers, then each change, in order; completes when the job settles. */
  readonly state$: Observable<PublicJob>;
  /** Of images that arrive together only the newest; completes when the job settles. */
  readonly preview$: Observable<Preview>;
}

/** A job that was known is gone at its fourth `unknown-job` in a row: a store that fails over may have it back soon. */
const GONE_AFTER = 4;

/**
 * How many jobs a socket may follow. With at most 64 rooms, a refusal for their number passes once rooms just left are
 * free.
 */
const MOST_ROOMS = 64;

/** The rooms of all jobs that have subscribers. Calls `heard` with each state of each room. */
export function rooms(
  link$: Observable<Link | undefined>,
  heard: (job: PublicJob) => void,
): (promptId: string) => Room {
  const open = new Map<string, Room>();
  const makeRoom = (promptId: string): Room => {
    let listening = 0;
    const news$ = defer(() => {
      listening += 1;
      return stayingIn(link$, promptId, heard, () => open.size <= MOST_ROOMS);
    }).pipe(
      finalize(() => {
        listening -= 1;
        if (listening === 0) open.delete(promptId);
      }),
      share(),
    );
    const state$ = news$.pipe(
      map((news) => (news.tag === 'state' ? news.job : undefined)),
      filter((job) => job !== undefined),
      neverBackward(),
      share({ connector: () => new ReplaySubject(1) }),
    );
    const image$ = news$.pipe(
      map((news) => (news.tag === 'preview' ? news.preview : undefined)),
      filter((preview) => preview !== undefined),
      auditTime(0, asyncScheduler),
    );
    const preview$ = merge(image$, state$.pipe(ignoreElements(), endWith(null))).pipe(
      takeWhile((preview) => preview !== null),
    );
    return { state$, preview$ };
  };
  const roomOf = (promptId: string): Room => getOrInsert(open, promptId, () => makeRoom(promptId));
  return (promptId) => ({
    state$: defer(() => roomOf(promptId).state$),
    preview$: defer(() => roomOf(promptId).preview$),
  });
}

/** Joins over each new connection. Errors with `unknown-job`, or with `gone` if the job was known before. */
function stayingIn(
  link$: Observable<Link | undefined>,
  promptId: string,
  heard: (job: PublicJob) => void,
  hasSeat: () => boolean,
): Observable<News> {
  let known = false;
  const isUnknown = ({ code }: JobstreamError): boolean => code === 'unknown-job';
  const isFull = ({ code }: JobstreamError): boolean => code === 'too-many-jobs';
  return overEach(link$, (link) =>
    joined(link, promptId).pipe(
      patiently((error, times) => (isFull(error) ? hasSeat() : known && isUnknown(error) && times < GONE_AFTER)),
    ),
  ).pipe(
    tap((news) => {
      known = true;
      if (news.tag === 'state') heard(news.job);
    }),
    catchError((error: unknown) =>
      throwError(() =>
        known && error instanceof JobstreamError && isUnknown(error)
          ? new JobstreamError('gone', 'The job was there, and is no more.', { cause: error })
          : error,
      ),
    ),
  );
}

/** Joins once: emits the state in the answer, then states and previews. Leaves when unsubscribed. */
const joined = (link: Link, promptId: string): Observable<News> =>
  new Observable((out) => {
    /** Whether the job settled or the join was refused: then there is no room to leave. */
    let over = false;
    const state = (job: PublicJob): void => {
      if (!isJob(job) || job.promptId !== promptId) return;
      over = isSettled(job);
      out.next({ tag: 'state', job });
    };
    const preview: ServerEvents['job:preview'] = (head, image) => {
      const bytes = bytesOf(head, image, promptId);
      if (bytes) out.next({ tag: 'preview', preview: { ...head, image: bytes } });
    };
    link.on('job:state', state);
    link.on('job:preview', preview);
    link.timeout(ANSWER_MS).emit('job:join', promptId, (failure: Error | null, reply) => {
      try {
        if (failure) throw noAnswer(failure);
        state(jobIn(reply));
      } catch (error) {
        over ||= failure === null;
        out.error(error);
      }
    });
    return () => {
      link.off('job:state', state);
      link.off('job:preview', preview);
      if (link.connected && !over) link.emit('job:leave', promptId);
    };
  });
