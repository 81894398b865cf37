import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createDeflateRaw, inflateRaw } from 'node:zlib';
import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import { catchError, defer, from, map, of, type Observable } from 'rxjs';
import { bounds } from '../../streams/bounds';
import { outlineOf, type Prompt } from '../../streams/job/workflow';

/**
 * How long a workflow is kept after its job was last written, s: longer than the state, so that a late write finds it.
 */
export const KEPT_S = 6 * 3600;

/** A job's workflow as it is stored, for the instance that takes the job up. */
export interface StoredWorkflow {
  /**
   * `unposted`: ComfyUI has not confirmed it yet, and the instance that takes the job up sees to it that it is posted.
   * `whole`: posted, and kept for another run. `outline`: only what progress needs.
   */
  readonly tag: 'unposted' | 'whole' | 'outline';
  readonly prompt: Prompt;
}

/** Bytes of a workflow and its extra data as text, as they count for their user: those before they are packed. */
export const bytesOfPrompt = ({ workflow, extraData = '' }: Prompt): number =>
  Buffer.byteLength(workflow) + Buffer.byteLength(extraData);

/** What is stored of a workflow once ComfyUI took it: all of it if the job may run again, else its outline. */
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

/** Decodes a stored workflow; `undefined` if another program wrote over it. */
const decodeStoredWorkflow = (json: string): StoredWorkflow | undefined =>
  pipe(
    parse(json),
    E.flatMap((value) => stored.decode(value)),
    E.map((read) => read as StoredWorkflow),
    E.getOrElse((): StoredWorkflow | undefined => undefined),
  );

/**
 * A workflow of this length or more is compressed, in characters: 8 MiB of titles become 12 KiB; a picture in base64
 * stays as long as it is.
 */
const PACKED_FROM = 64 << 10;
const PACKED = 'deflate:';

/** Characters that are written as JSON in one turn of the event loop: 24 MiB at once would take 0.1 s. */
const PIECE = 64 << 10;

/** A workflow as text. A long one is deflated piece by piece on another thread, while the event loop goes on. */
export function packedWorkflow(workflow: StoredWorkflow): Observable<string> {
  const { workflow: text, extraData = '' } = workflow.prompt;
  if (text.length + extraData.length < PACKED_FROM) return of(JSON.stringify(workflow));
  return defer(() => from(deflated(jsonOf(workflow)))).pipe(map((base64) => `${PACKED}${base64}`));
}

/** The text that `JSON.stringify` would return, in pieces. */
function* jsonOf({ tag, prompt }: StoredWorkflow): Generator<string> {
  yield `{"tag":${JSON.stringify(tag)},"prompt":{`;
  const given = Object.entries(prompt).filter(([, value]) => value !== undefined);
  for (const [n, [name, value]] of given.entries()) {
    yield `${n === 0 ? '' : ','}${JSON.stringify(name)}:`;
    if (typeof value !== 'string') yield JSON.stringify(value);
    else {
      yield '"';
      // `JSON.stringify` writes half of a surrogate pair as an escape, so a pair may be cut in two.
      for (let at = 0; at < value.length; at += PIECE) yield JSON.stringify(value.slice(at, at + PIECE)).slice(1, -1);
      yield '"';
    }
  }
  yield '}}';
}

async function deflated(pieces: Iterable<string>): Promise<string> {
  const base64: string[] = [];
  let rest = Buffer.alloc(0);
  await pipeline(Readable.from(pieces), createDeflateRaw({ level: 1 }), async (packed: AsyncIterable<Buffer>) => {
    for await (const chunk of packed) {
      const bytes = Buffer.concat([rest, chunk]);
      const whole = bytes.length - (bytes.length % 3);
      base64.push(bytes.toString('base64', 0, whole));
      rest = bytes.subarray(whole);
    }
  });
  base64.push(rest.toString('base64'));
  return base64.join('');
}

/** `bytesOfPrompt` of a text of `packedWorkflow`. A packed one counts as it is: to unpack it takes longer. */
export const bytesOfPacked = (text: string): number => {
  const stored = text.startsWith(PACKED) ? undefined : decodeStoredWorkflow(text);
  return stored === undefined ? Buffer.byteLength(text) : bytesOfPrompt(stored.prompt);
};

/** Decodes a text of `packedWorkflow`; `undefined` if it is none, or unpacks to more than 2 × `bounds.promptBytes`. */
export function unpackedWorkflow(text: string): Observable<StoredWorkflow | undefined> {
  if (!text.startsWith(PACKED)) return of(decodeStoredWorkflow(text));
  const bytes = Buffer.from(text.slice(PACKED.length), 'base64');
  return defer(() => inflated(bytes, { maxOutputLength: 2 * bounds.promptBytes })).pipe(
    map((whole) => decodeStoredWorkflow(whole.toString())),
    catchError(() => of(undefined)),
  );
}

const inflated = promisify(inflateRaw);
