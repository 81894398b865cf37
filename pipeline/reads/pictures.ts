import { Readable } from 'node:stream';
import { defer, firstValueFrom, from, map, concatMap, lastValueFrom, endWith } from 'rxjs';
import type { JobStore } from '../../sinks/job-store';
import type { OutputBody } from '../../sources/comfyui-server';
import type { Picture } from '../../streams/board/board';
import type { FileOutput } from '../../streams/job/job-state';
import { orNothing, reporting, type Report } from '../../streams/operators/reporting';

/** Pictures that came over a socket: no server has them, so they are kept with their jobs. */
export interface Pictures {
  /** Keeps one, before the state that names it is written: a store takes both in this order. */
  readonly keep: (picture: Picture) => void;
  /** Opens one, once it is kept: watchers here hear of it before. */
  readonly open: (promptId: string, output: FileOutput) => Promise<OutputBody | undefined>;
}

export function pictures(store: JobStore, report: Report): Pictures {
  /** What is being kept now, by job. */
  const underWay = new Map<string, Promise<unknown>>();
  return {
    keep: ({ promptId, filename, mimeType, bytes }) => {
      // A frame's bytes are a part of what the socket received: kept by themselves.
      const file = { mimeType, bytes: Uint8Array.from(bytes) };
      const kept = store.keepFile(promptId, filename, file).pipe(reporting('store', report), orNothing, endWith(0));
      const all = Promise.all([underWay.get(promptId), lastValueFrom(kept)]).then(() => {
        if (underWay.get(promptId) === all) underWay.delete(promptId);
      });
      underWay.set(promptId, all);
    },
    open: (promptId, { filename }) =>
      firstValueFrom(
        defer(() => from(underWay.get(promptId) ?? Promise.resolve())).pipe(
          concatMap(() => store.file(promptId, filename)),
          map((file): OutputBody | undefined =>
            file === undefined
              ? undefined
              : { body: Readable.from([file.bytes]), contentType: file.mimeType, length: file.bytes.length },
          ),
        ),
      ),
  };
}
