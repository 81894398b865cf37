import { Readable } from 'node:stream';
import { firstValueFrom, map } from 'rxjs';
import type { JobStore } from '../sinks/job-store';
import type { OutputBody } from '../sources/comfyui-server';
import type { Picture } from '../streams/board/board';
import type { FileOutput } from '../streams/job/job-state';
import { orNothing, reporting, type Report } from '../streams/operators/reporting';

/** Pictures that came over a socket: no server has them, so they are kept with their jobs. */
export interface Pictures {
  /** Keeps one, before the state that names it is written: a store takes both in this order. */
  readonly keep: (picture: Picture) => void;
  readonly open: (promptId: string, output: FileOutput) => Promise<OutputBody | undefined>;
}

export const pictures = (store: JobStore, report: Report): Pictures => ({
  keep: ({ promptId, filename, mimeType, bytes }) => {
    // A frame's bytes are a part of what the socket received: kept by themselves.
    const file = { mimeType, bytes: Uint8Array.from(bytes) };
    store.keepFile(promptId, filename, file).pipe(reporting('store', report), orNothing).subscribe();
  },
  open: (promptId, { filename }) =>
    firstValueFrom(
      store
        .file(promptId, filename)
        .pipe(
          map((file): OutputBody | undefined =>
            file === undefined
              ? undefined
              : { body: Readable.from([file.bytes]), contentType: file.mimeType, length: file.bytes.length },
          ),
        ),
    ),
});
