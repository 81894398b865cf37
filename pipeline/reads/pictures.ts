import { Readable } from 'node:stream';
import {
  defer,
  EMPTY,
  filter,
  finalize,
  firstValueFrom,
  ignoreElements,
  map,
  mergeMap,
  retry,
  Subject,
  take,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { isUnavailable, type JobStore, type StoredFile } from '../../sinks/job-store';
import type { OutputBody } from '../../sources/comfyui-server';
import type { Picture } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import type { FileOutput } from '../../streams/job/job-state';
import { jittered } from '../../streams/operators/backoff';
import { orNothing, reportingOutages } from '../../streams/operators/reporting';
import type { Env } from '../env';

/** Pictures that came over a socket: no server has them as files, so the store keeps them with their jobs. */
export interface Pictures {
  /**
   * Whether a picture of this many bytes can be kept now. Those that wait for the store may have 64 MiB in all
   * (`bounds.filesWaitingBytes`); one more becomes no output.
   */
  readonly hasRoom: (bytes: number) => boolean;
  /** Stores a picture, and keeps it in memory until the store has it. */
  readonly keep: (picture: Picture) => void;
  /** Opens a picture, from memory or the store; `undefined` if neither has it. */
  readonly open: (promptId: string, output: FileOutput) => Promise<OutputBody | undefined>;
  /** Completes once no picture waits for the store. */
  readonly drained$: Observable<never>;
  /** Stops writing: pictures that still wait are lost. */
  readonly close: () => void;
}

/** A picture that the store has not taken yet. */
interface Waiting extends StoredFile {
  readonly promptId: string;
  readonly filename: string;
}

/** How many pictures are written at a time. */
const AT_ONCE = 16;

type FileStore = Pick<JobStore, 'keepFile' | 'file'>;
type PicturesEnv = Pick<Env, 'clock' | 'random' | 'report'>;

export function pictures(store: FileStore, env: PicturesEnv): Pictures {
  const waiting = waitingPictures();
  const picture$ = new Subject<Waiting>();
  const written$ = new Subject<void>();
  const written = writingTo(store, waiting, env);
  const writing = picture$
    .pipe(mergeMap((file) => written(file).pipe(finalize(() => written$.next())), AT_ONCE))
    .subscribe();

  return {
    hasRoom: (bytes) => waiting.bytes() + bytes <= bounds.filesWaitingBytes,
    keep: (picture) => {
      // A copy: the frame's bytes are a view of the larger buffer that the socket received, and would keep all of it.
      const file = { ...picture, bytes: Uint8Array.from(picture.bytes) };
      waiting.add(file);
      picture$.next(file);
    },
    open: async (promptId, { filename }) => {
      const here = waiting.get(promptId, filename);
      return here === undefined ? firstValueFrom(store.file(promptId, filename).pipe(map(bodyOf))) : bodyOf(here);
    },
    drained$: defer(() =>
      waiting.isEmpty()
        ? EMPTY
        : written$.pipe(
            filter(() => waiting.isEmpty()),
            take(1),
            ignoreElements(),
          ),
    ),
    close: () => writing.unsubscribe(),
  };
}

/**
 * The pictures that the store does not have yet, one per job and name: two runs of a job may give the same name, and
 * the later picture counts.
 */
function waitingPictures() {
  const files = new Map<string, Waiting>();
  let bytes = 0;
  const isNewest = (file: Waiting): boolean => files.get(keyOf(file.promptId, file.filename)) === file;
  const remove = (file: Waiting): void => {
    if (!isNewest(file)) return;
    files.delete(keyOf(file.promptId, file.filename));
    bytes -= file.bytes.length;
  };
  return {
    add: (file: Waiting): void => {
      const key = keyOf(file.promptId, file.filename);
      const before = files.get(key);
      if (before !== undefined) remove(before);
      files.set(key, file);
      bytes += file.bytes.length;
    },
    remove,
    isNewest,
    get: (promptId: string, filename: string): Waiting | undefined => files.get(keyOf(promptId, filename)),
    bytes: (): number => bytes,
    isEmpty: (): boolean => files.size === 0,
  };
}

/**
 * Writes one picture, and then removes it from those that wait. Retries while the store is away, which is reported once
 * an outage; a picture that fails otherwise is reported and dropped.
 */
function writingTo(
  store: FileStore,
  waiting: ReturnType<typeof waitingPictures>,
  { clock, random, report }: PicturesEnv,
): (file: Waiting) => Observable<never> {
  const backoff = jittered({ firstMs: 100, maxMs: 2_000, steadyMs: 0 }, random);
  const told = reportingOutages('store', report, isUnavailable);
  const paused = (error: unknown, attempts: number): Observable<unknown> =>
    isUnavailable(error) ? timer(backoff.delayMs(attempts, error), clock) : throwError(() => error);
  return (file) =>
    defer(() => (waiting.isNewest(file) ? store.keepFile(file.promptId, file.filename, file) : EMPTY)).pipe(
      told(),
      retry({ delay: paused }),
      orNothing,
      finalize(() => waiting.remove(file)),
    );
}

/** Unambiguous, as a job's id has no space in it. */
const keyOf = (promptId: string, filename: string): string => `${promptId} ${filename}`;

const bodyOf = (file: StoredFile | undefined): OutputBody | undefined =>
  file && { body: Readable.from([file.bytes]), contentType: file.mimeType, length: file.bytes.length };
