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
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { StoreUnavailable, type JobStore, type StoredFile } from '../../sinks/job-store';
import type { OutputBody } from '../../sources/comfyui-server';
import type { Picture } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import type { FileOutput } from '../../streams/job/job-state';
import { jittered } from '../../streams/operators/backoff';
import { orNothing } from '../../streams/operators/reporting';
import type { Env } from '../env';

/** Pictures that came over a socket: no server has them, so they are kept with their jobs. */
export interface Pictures {
  /** Whether one of so many bytes can be kept now. While the store is away, those that wait for it fill a bound; a picture past it is no output. */
  readonly hasRoom: (bytes: number) => boolean;
  /** Keeps one, here until the store has it. */
  readonly keep: (picture: Picture) => void;
  /** Opens one that is kept, here or in the store. */
  readonly open: (promptId: string, output: FileOutput) => Promise<OutputBody | undefined>;
  /** Completes once the store has all. */
  readonly drained$: Observable<never>;
  /** Drops what waits. */
  readonly close: () => void;
}

/** One that waits for the store. */
interface Waiting extends StoredFile {
  readonly promptId: string;
  readonly filename: string;
}

/** Pictures written at a time. */
const AT_ONCE = 16;

export function pictures(
  store: Pick<JobStore, 'keepFile' | 'file'>,
  { clock, random, report }: Pick<Env, 'clock' | 'random' | 'report'>,
): Pictures {
  const backoff = jittered({ firstMs: 100, maxMs: 2_000, steadyMs: 0 }, random);
  const waiting = new Map<string, Waiting>();
  const picture$ = new Subject<Waiting>();
  const written$ = new Subject<void>();
  let bytesWaiting = 0;
  let isAway = false;

  /** Of a store that is away it is told once, and tried again until it is back. */
  const paused = (error: unknown, attempts: number): Observable<unknown> => {
    if (!isAway || !(error instanceof StoreUnavailable)) report('store', error);
    if (!(error instanceof StoreUnavailable)) return throwError(() => error);
    isAway = true;
    return timer(backoff.delayMs(attempts, error), clock);
  };
  /** Of two under one name, which runs of one job may make, the later one counts. */
  const forget = (file: Waiting): void => {
    const key = keyOf(file.promptId, file.filename);
    if (waiting.get(key) !== file) return;
    waiting.delete(key);
    bytesWaiting -= file.bytes.length;
  };
  const written = (file: Waiting): Observable<never> =>
    defer(() => {
      const { promptId, filename } = file;
      return waiting.get(keyOf(promptId, filename)) === file ? store.keepFile(promptId, filename, file) : EMPTY;
    }).pipe(
      tap({ complete: () => (isAway = false) }),
      retry({ delay: paused }),
      orNothing,
      finalize(() => {
        forget(file);
        written$.next();
      }),
    );
  const writing = picture$.pipe(mergeMap(written, AT_ONCE)).subscribe();

  return {
    hasRoom: (bytes) => bytesWaiting + bytes <= bounds.filesWaitingBytes,
    keep: (picture) => {
      // A frame's bytes are a part of what the socket received: kept by themselves.
      const file = { ...picture, bytes: Uint8Array.from(picture.bytes) };
      const key = keyOf(file.promptId, file.filename);
      const before = waiting.get(key);
      if (before !== undefined) forget(before);
      waiting.set(key, file);
      bytesWaiting += file.bytes.length;
      picture$.next(file);
    },
    open: async (promptId, { filename }) => {
      const here = waiting.get(keyOf(promptId, filename));
      return here === undefined ? firstValueFrom(store.file(promptId, filename).pipe(map(bodyOf))) : bodyOf(here);
    },
    drained$: defer(() =>
      waiting.size === 0
        ? EMPTY
        : written$.pipe(
            filter(() => waiting.size === 0),
            take(1),
            ignoreElements(),
          ),
    ),
    close: () => writing.unsubscribe(),
  };
}

/** No id of a job has a space in it. */
const keyOf = (promptId: string, filename: string): string => `${promptId} ${filename}`;

const bodyOf = (file: StoredFile | undefined): OutputBody | undefined =>
  file && { body: Readable.from([file.bytes]), contentType: file.mimeType, length: file.bytes.length };
