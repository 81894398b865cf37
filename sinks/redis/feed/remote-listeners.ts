import { asyncScheduler, type SchedulerLike } from 'rxjs';
import type { Preview } from '../../../streams/board/board';
import { bounds } from '../../../streams/bounds';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { remember } from '../../../streams/maps/remember';
import type { Ask } from '../connection/commands';
import type { RedisCommands } from '../connection/topology';
import { encodePreview } from './preview.codec';
import { feedChannel, previewChannel } from './redis-feed';

/** How often Redis is asked whether anybody is subscribed to a job's previews, ms. */
const ASKED_MS = 1_000;

/**
 * Knows which jobs have subscribers at other instances: only for these, previews and the states between two writes are
 * published.
 */
export interface RemoteListeners {
  /** Takes the number of subscribers that Redis counted when it published a stored state. */
  readonly counted: (promptId: string, listeners: number) => void;
  /** See `JobStore.announce`. */
  readonly announce: (state: JobState) => void;
  /** See `JobStore.isHeard`. */
  readonly isHeard: (promptId: string) => boolean;
  /** See `JobStore.show`. */
  readonly show: (preview: Preview, epoch: number) => void;
}

/** A job with subscribers. */
interface Listened {
  /** Messages under way: beyond `bounds.announcedAtOnce` they are dropped, as the stored states follow. */
  underWay: number;
  /** Whether its previews have subscribers too. */
  wantsPreviews: boolean;
  /** When the next preview, or the next question whether previews have subscribers, may go out, ms since 1970. */
  nextAt: number;
}

type Tell = Pick<RedisCommands, 'announce'>;

export function remoteListeners(
  redis: Tell,
  ask: Ask,
  fenceOf: (promptId: string) => string,
  clock: SchedulerLike = asyncScheduler,
): RemoteListeners {
  // Bounded: this instance does not hear the end of a job that another one took. A job dropped too soon is back at its next write.
  const listened = new Map<string, Listened>();

  /**
   * Publishes a message and calls `heard` with the number of subscribers. A message that fails is lost: the stored
   * states follow.
   */
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
    else if (!listened.has(promptId))
      remember(listened, promptId, { underWay: 0, wantsPreviews: false, nextAt: 0 }, bounds.announcedJobs);
  };

  return {
    counted,
    announce: (state) => {
      const { promptId, epoch } = state;
      // A settled state is published when it is stored, not before: another instance might store another end first.
      if (!listened.has(promptId) || isSettled(state)) return;
      tell(promptId, epoch, feedChannel(promptId), JSON.stringify(state), (n) => counted(promptId, n));
    },
    isHeard: (promptId) => listened.has(promptId),
    show: (preview, epoch) => {
      const { promptId, image } = preview;
      const job = listened.get(promptId);
      const now = clock.now();
      if (job === undefined || now < job.nextAt || image.length > bounds.sharedPreviewBytes) return;
      job.nextAt = now + (job.wantsPreviews ? 1_000 / bounds.sharedPreviewsPerSecond : ASKED_MS);
      // An empty message only asks for the number of subscribers.
      const text = job.wantsPreviews ? encodePreview(preview) : '';
      tell(promptId, epoch, previewChannel(promptId), text, (n) => {
        if (n > 0 && !job.wantsPreviews) job.nextAt = 0;
        job.wantsPreviews = n > 0;
      });
    },
  };
}
