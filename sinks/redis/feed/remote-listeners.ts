import { asyncScheduler, type Observable, type SchedulerLike } from 'rxjs';
import type { Preview } from '../../../streams/board/board';
import { bounds } from '../../../streams/bounds';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import type { RedisCommands } from '../connection/topology';
import { encodePreview } from './preview.codec';
import { feedChannel, previewChannel } from './redis-feed';

/** How often Redis is asked whether somebody listens to a job's previews, ms. */
const ASKED_MS = 1_000;

/** Jobs that somebody listens to through another instance: only for these, states between two writes and previews are published. */
export interface RemoteListeners {
  /** Takes how many subscribers Redis counted as it published a stored state. */
  readonly counted: (promptId: string, listeners: number) => void;
  /** See `JobStore.announce`. */
  readonly announce: (state: JobState) => void;
  /** See `JobStore.show`. */
  readonly show: (preview: Preview, epoch: number) => void;
}

/** What is known of who listens to a job. */
interface Listened {
  /** Announcements under way: beyond a bound they are dropped, for the stored states tell. */
  underWay: number;
  /** Whether somebody wants previews. */
  wantsPreviews: boolean;
  /** When another preview may go out, or it may be asked whether somebody wants one. */
  nextAt: number;
}

type Tell = Pick<RedisCommands, 'announce'>;

export function remoteListeners(
  redis: Tell,
  ask: <T>(command: () => Promise<T>) => Observable<T>,
  fenceOf: (promptId: string) => string,
  clock: SchedulerLike = asyncScheduler,
): RemoteListeners {
  const listened = new Map<string, Listened>();

  /** Publishes a message and calls `heard` with the number of subscribers. A message that fails is lost: the stored states follow. */
  function tell(promptId: string, epoch: number, channel: string, text: string, heard: (n: number) => void): void {
    const job = listened.get(promptId);
    if (job === undefined || job.underWay >= bounds.announcedAtOnce) return;
    job.underWay += 1;
    ask(() => redis.announce(fenceOf(promptId), channel, epoch, text)).subscribe({
      next: heard,
      error: () => (job.underWay -= 1),
      complete: () => (job.underWay -= 1),
    });
  }

  const counted = (promptId: string, listeners: number): void => {
    if (listeners === 0) listened.delete(promptId);
    else if (!listened.has(promptId)) listened.set(promptId, { underWay: 0, wantsPreviews: false, nextAt: 0 });
  };

  return {
    counted,
    announce: (state) => {
      const { promptId, epoch } = state;
      // What a job ends with is told when it is stored, so that nobody else ends it otherwise.
      if (!listened.has(promptId) || isSettled(state)) return;
      tell(promptId, epoch, feedChannel(promptId), JSON.stringify(state), (n) => counted(promptId, n));
    },
    show: (preview, epoch) => {
      const { promptId, image } = preview;
      const job = listened.get(promptId);
      const now = clock.now();
      if (job === undefined || now < job.nextAt || image.length > bounds.sharedPreviewBytes) return;
      job.nextAt = now + (job.wantsPreviews ? 1_000 / bounds.sharedPreviewsPerSecond : ASKED_MS);
      // An empty message asks.
      const text = job.wantsPreviews ? encodePreview(preview) : '';
      tell(promptId, epoch, previewChannel(promptId), text, (n) => {
        if (n > 0 && !job.wantsPreviews) job.nextAt = 0;
        job.wantsPreviews = n > 0;
      });
    },
  };
}
