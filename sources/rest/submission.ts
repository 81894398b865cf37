import type { Observable, SchedulerLike } from 'rxjs';
import type { Backoff } from '../../streams/operators/backoff';
import type { FindPosted } from '../looks/find-posted';
import type { JobRoutes } from '../looks/job-routes';
import type { Posted } from './prompt-body';
import type { NoAnswer } from './no-answer';
import type { Rest } from './rest';

/** A workflow to post, and what decides whether and when. */
export interface Submission extends Posted {
  /** When it was not posted yet, ms since 1970. */
  readonly since: number;
  /** Whether the session's socket is open: frames before that would be missed. */
  readonly linked: () => boolean;
  /** Whether a cancel was asked for meanwhile. */
  readonly cancelAsked: () => boolean;
  /** `false` once its job has settled, runs elsewhere or is known to be at the server: then it needs no post. */
  readonly wanted: () => boolean;
  /** `false` while another instance may be posting it. */
  readonly mayPost: () => boolean;
  /** Emits when any of these four may have changed; now and then in vain. */
  readonly changed$: Observable<unknown>;
  /** Whether an instance that died since may have posted it: then it is looked for first. */
  readonly maybePosted: boolean;
  /** Called with the error of each post that got no answer. */
  readonly onTrouble?: (error: NoAnswer) => void;
}

export interface SubmitPolicy {
  readonly backoff: Backoff;
  /** How long to wait for the socket before posting without it. */
  readonly linkMs: number;
  /** How long a post may take, ms: a server may be busy for 60 s, and proxies cut requests at 100 s. */
  readonly postMs: number;
  /** After a lost answer, a workflow is posted again only once this many looks found it nowhere. */
  readonly looks: number;
  /** How long to wait between two of these looks. */
  readonly looksMs: number;
  /** If there is no answer for this long, the job is `unreachable`. */
  readonly giveUpMs: number;
  readonly clock: SchedulerLike;
}

export const defaultSubmitPolicy: Omit<SubmitPolicy, 'backoff' | 'clock'> = {
  linkMs: 3_000,
  postMs: 90_000,
  looks: 3,
  looksMs: 5_000,
  giveUpMs: 600_000,
};

/** What posting needs of a server: all its posts share what they find out about it. */
export interface PostingServer {
  readonly rest: Rest;
  readonly routes: Pick<JobRoutes, 'answers' | 'knowsWhetherIdsStay'>;
  readonly find: FindPosted;
}
