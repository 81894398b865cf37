import { deflateRaw, inflateRaw } from 'node:zlib';
import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import { Observable, map, of } from 'rxjs';
import { bounds } from '../streams/bounds';
import { outlineOf, type Prompt } from '../streams/job/workflow';

/** How long a workflow is kept after its job was last written, in seconds: longer than the state, for whoever writes that late. */
export const KEPT_S = 6 * 3600;

/** A job's workflow as the store keeps it, for whoever takes the job up. */
export interface StoredWorkflow {
  /**
   * `unposted`: nobody has heard yet that ComfyUI took it, and whoever takes the job up is to see to that. `whole`: for
   * another run. `outline`: what progress needs, and no more.
   */
  readonly tag: 'unposted' | 'whole' | 'outline';
  readonly prompt: Prompt;
}

/** What is worth keeping of a workflow that ComfyUI took: all of it only where there may be another run. */
export const oncePosted = (prompt: Prompt, mayRunAgain: boolean): StoredWorkflow =>
  mayRunAgain ? { tag: 'whole', prompt } : { tag: 'outline', prompt: outlineOf(prompt) };

const stored = t.type({
  tag: t.keyof({ unposted: null, whole: null, outline: null }),
  prompt: t.intersection([
    t.type({ workflow: t.string }),
    t.partial({
      extraData: t.string,
      front: t.boolean,
      number: t.number,
      partialExecutionTargets: t.array(t.string),
    }),
  ]),
});

/** Reads what was kept; nothing where somebody else wrote over it. */
export const decodeStoredWorkflow = (json: string): StoredWorkflow | undefined =>
  pipe(
    parse(json),
    E.flatMap((value) => stored.decode(value)),
    E.map((read) => read as StoredWorkflow),
    E.getOrElse((): StoredWorkflow | undefined => undefined),
  );

/** Longer texts are packed where memory is dear: of 8 MiB of titles 12 KiB are left, of a picture as base64 no more than it has. */
const PACKED_FROM = 64 << 10;
const PACKED = 'deflate:';

/** A workflow as text for a store that keeps all in memory. Another thread packs it. */
export function packedWorkflow(workflow: StoredWorkflow): Observable<string> {
  const text = JSON.stringify(workflow);
  if (text.length < PACKED_FROM) return of(text);
  return zipped((done) => deflateRaw(text, { level: 1 }, done)).pipe(
    map((bytes) => `${PACKED}${bytes.toString('base64')}`),
  );
}

/** Reads what `packedWorkflow` made; nothing where somebody else wrote over it, or it unpacks to more than any workflow has. */
export function unpackedWorkflow(text: string): Observable<StoredWorkflow | undefined> {
  if (!text.startsWith(PACKED)) return of(decodeStoredWorkflow(text));
  const limits = { maxOutputLength: 2 * bounds.promptBytes };
  const bytes = Buffer.from(text.slice(PACKED.length), 'base64');
  return zipped((done) =>
    inflateRaw(bytes, limits, (error, whole) => done(null, error ? Buffer.alloc(0) : whole)),
  ).pipe(map((whole) => decodeStoredWorkflow(whole.toString())));
}

const zipped = (work: (done: (error: Error | null, bytes: Buffer) => void) => void): Observable<Buffer> =>
  new Observable((out) => {
    work((error, bytes) => {
      if (error) out.error(error);
      else out.next(bytes);
      out.complete();
    });
  });
