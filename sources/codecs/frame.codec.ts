import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import { bounds } from '../../streams/bounds';
import { TooMuch, readPython } from './python-json';

/** A frame that is not what ComfyUI sends: reported, counted, dropped (R9). */
export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame';
}

/** Python writes `None` as null, and older servers leave fields out. */
export const nullable = <C extends t.Mixed>(codec: C) => t.union([codec, t.null]);

/** A codec of the values that pass a check, which it leaves as they are. */
export const checked = <T>(name: string, is: (value: unknown) => value is T): t.Type<T> =>
  new t.Type<T>(name, is, (value, context) => (is(value) ? t.success(value) : t.failure(value, context)), t.identity);

/** An id of a node or a job: ComfyUI's are texts, those of a fork may be numbers. */
export type Id = string | number;
export const isId = (value: unknown): value is Id => typeof value === 'string' || Number.isSafeInteger(value);
export const idCodec = checked('id', isId);
export const idText = (id: Id): string => (typeof id === 'string' ? id : `${id}`);

const isIdUpTo =
  (length: number) =>
  (value: unknown): value is Id =>
    isId(value) && (typeof value === 'number' || value.length <= length);
const nodeId = checked('nodeId', isIdUpTo(bounds.madeNodeIdLength));
/** A job's id may be as long as the id of a workflow's node. */
const promptId = checked('promptId', isIdUpTo(bounds.nodeIdLength));
/** A finite number: JSON may say `1e999`, which `JSON.parse` reads as `Infinity`. */
const finite = checked('finite', (value): value is number => Number.isFinite(value));
/** A number, or `null` where Python had `NaN`: then nothing is counted. */
const counted = nullable(finite);

const status = t.type({ status: t.type({ exec_info: t.type({ queue_remaining: finite }) }) });
const promptOnly = t.type({ prompt_id: promptId });
/** `timestamp`: when the server sent it, ms since 1970 by its own clock. */
const timed = t.intersection([promptOnly, t.partial({ timestamp: t.unknown })]);
const cached = t.type({ prompt_id: promptId, nodes: t.array(nodeId) });
const executing = t.partial({ node: nullable(nodeId), display_node: nullable(nodeId), prompt_id: nullable(promptId) });
const progress = t.intersection([
  t.type({ value: counted, max: counted }),
  t.partial({ prompt_id: nullable(promptId), node: nullable(nodeId) }),
]);
const progressState = t.type({
  prompt_id: promptId,
  nodes: t.record(
    t.string,
    t.intersection([
      t.type({ value: counted, max: counted, state: t.string }),
      t.partial({ parent_node_id: nullable(nodeId), display_node_id: nullable(nodeId) }),
    ]),
  ),
});
const executed = t.intersection([
  t.type({ node: nodeId, prompt_id: promptId }),
  t.partial({ output: nullable(t.UnknownRecord) }),
]);
/** What `execution_error` and `execution_interrupted` say. */
const broke = t.intersection([
  promptOnly,
  t.partial({ node_id: t.unknown, node_type: t.unknown, exception_message: t.unknown, exception_type: t.unknown }),
]);

/** Every frame that is read, by ComfyUI's name for it. All others are ignored. */
const codecs = {
  status,
  execution_start: timed,
  execution_cached: cached,
  executing,
  progress,
  progress_state: progressState,
  executed,
  execution_success: timed,
  execution_error: broke,
  execution_interrupted: broke,
} as const;

type Codecs = typeof codecs;
export type Frame = { [K in keyof Codecs]: { readonly type: K; readonly data: t.TypeOf<Codecs[K]> } }[keyof Codecs];

/** Reads a text frame; `undefined` if its type is ignored, an error if it is malformed. */
export function decodeFrame(text: string): E.Either<MalformedFrame, Frame | undefined> {
  let frame: unknown;
  try {
    frame = readPython(text, bounds.frameValues);
  } catch (error) {
    // The message of a syntax error would show some of the text.
    return E.left(new MalformedFrame(error instanceof TooMuch ? error.message : 'no JSON'));
  }
  if (!envelope.is(frame)) return E.left(new MalformedFrame('no `type`'));
  const { type, data } = frame;
  if (!Object.hasOwn(codecs, type)) return E.right(undefined);
  const codec = codecs[type as keyof Codecs] as t.Type<unknown>;
  // `is` costs half of what `decode` does: only a malformed frame is decoded to tell what is wrong with it.
  if (codec.is(data)) return E.right({ type, data } as Frame);
  return pipe(
    codec.decode(data),
    E.bimap(
      (errors) => new MalformedFrame(`${type}: ${wrongFields(errors)}`),
      (decoded) => ({ type, data: decoded }) as Frame,
    ),
  );
}

const envelope = t.intersection([t.type({ type: t.string }), t.partial({ data: t.unknown })]);

/** Names the fields that are wrong, never their values; nor the keys of a record, which are values too. */
const wrongFields = (errors: t.Errors): string =>
  [...new Set(errors.map(({ context }) => fieldOf(context)))].slice(0, 3).join(', ');

const fieldOf = (context: t.Context): string =>
  context
    .filter(({ key }, depth) => key !== '' && !/^\d+$/.test(key) && !isDictionary(context[depth - 1]))
    .map(({ key }) => key)
    .join('.') || 'data';

const isDictionary = (entry: t.ContextEntry | undefined): boolean =>
  entry !== undefined && '_tag' in entry.type && entry.type._tag === 'DictionaryType';
