import { signal, type ReadonlySignal, type Signal } from '@preact/signals';
import type { Subscription } from 'rxjs';
import type { Jobstream } from '../../../client';
import type { PublicJob } from '../../../wire/public-job';
import { firstImage } from '../../model/files';
import type { Api } from '../api';

/** The newest picture of each job: its running node's preview, or a small copy of its first image. */
export interface Pictures {
  /** The picture's object URL; `undefined` until there is one. */
  of(promptId: string): ReadonlySignal<string | undefined>;
  /** Follows a running job's previews, until the returned function is called. */
  follow(promptId: string): () => void;
  /** Fetches a small copy of an ended job's first image, once. */
  fetchSmall(job: PublicJob): void;
  close(): void;
}

/** A gateway lets one socket follow 64 jobs; a few are left for job pages. */
const MOST_FOLLOWED = 56;
const MOST_KEPT = 400;
const SMALL_PX = 96;
const AT_A_TIME = 2;
/** Most copies that wait: each needs the whole image, so rows that were scrolled past are dropped. */
const MOST_WAITING = 12;

export function picturesOf(stream: Jobstream, api: Api): Pictures {
  const asked = new Set<string>();
  const shown = shownPictures((promptId) => asked.delete(promptId));
  const following = new Set<Subscription>();
  const copies = smallCopies(
    (job) => smallCopy(api, job),
    shown.show,
    (promptId) => asked.delete(promptId),
  );

  return {
    of: shown.of,
    follow(promptId) {
      if (following.size >= MOST_FOLLOWED) return () => undefined;
      const previews = stream.previews(promptId).subscribe({
        next: ({ image, mimeType }) => shown.show(promptId, new Blob([image], { type: mimeType })),
        // The list and the job's page show that a job is gone.
        error: () => following.delete(previews),
        complete: () => following.delete(previews),
      });
      if (!previews.closed) following.add(previews);
      return () => {
        previews.unsubscribe();
        following.delete(previews);
      };
    },
    fetchSmall(job) {
      if (asked.has(job.promptId)) return;
      asked.add(job.promptId);
      copies.add(job);
    },
    close() {
      for (const previews of following) previews.unsubscribe();
      shown.clear();
      copies.clear();
    },
  };
}

/**
 * The object URLs of the newest `MOST_KEPT` pictures. Revokes the least recently read one, and calls `forgotten` with
 * its job.
 */
function shownPictures(forgotten: (promptId: string) => void) {
  const known = new Map<string, Signal<string | undefined>>();
  const of = (promptId: string): Signal<string | undefined> => {
    const picture = known.get(promptId) ?? signal<string | undefined>(undefined);
    known.delete(promptId);
    known.set(promptId, picture);
    for (const [id, { value }] of known) {
      if (known.size <= MOST_KEPT) break;
      if (value !== undefined) URL.revokeObjectURL(value);
      known.delete(id);
      forgotten(id);
    }
    return picture;
  };
  return {
    of,
    show: (promptId: string, blob: Blob): void => {
      const picture = of(promptId);
      const before = picture.value;
      picture.value = URL.createObjectURL(blob);
      if (before !== undefined) URL.revokeObjectURL(before);
    },
    clear(): void {
      for (const { value } of known.values()) if (value !== undefined) URL.revokeObjectURL(value);
    },
  };
}

/**
 * Draws small copies, `AT_A_TIME` at a time, the newest request first. Beyond `MOST_WAITING`, calls `dropped` with the
 * oldest.
 */
function smallCopies(
  draw: (job: PublicJob) => Promise<Blob | undefined>,
  show: (promptId: string, blob: Blob) => void,
  dropped: (promptId: string) => void,
) {
  const waiting: PublicJob[] = [];
  let drawing = 0;
  const drawNext = (): void => {
    const job = drawing < AT_A_TIME ? waiting.pop() : undefined;
    if (job === undefined) return;
    drawing += 1;
    void draw(job)
      .then((blob) => blob && show(job.promptId, blob))
      // No picture if ComfyUI has the file no more; the job's page says so.
      .catch(() => undefined)
      .finally(() => {
        drawing -= 1;
        drawNext();
      });
  };
  return {
    add(job: PublicJob): void {
      waiting.push(job);
      for (const { promptId } of waiting.splice(0, waiting.length - MOST_WAITING)) dropped(promptId);
      drawNext();
    },
    clear(): void {
      waiting.length = 0;
    },
  };
}

/** A small copy of a job's first image: a long list would else keep hundreds of whole ones in memory. */
async function smallCopy(api: Api, { promptId, outputs }: PublicJob): Promise<Blob | undefined> {
  const n = firstImage(outputs);
  if (n < 0) return undefined;
  const bitmap = await createImageBitmap(await api.output(promptId, n), {
    resizeHeight: SMALL_PX,
    resizeQuality: 'high',
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/webp', quality: 0.8 });
}
