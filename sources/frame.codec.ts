import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';

/** A frame that is not what ComfyUI sends: reported, counted, dropped (R9). */
export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame';
}

const optional = <C extends t.Mixed>(codec: C) => t.union([codec, t.null, t.undefined]);
const nodeId = t.string;

const status = t.type({ status: t.type({ exec_info: t.type({ queue_remaining: t.number }) }) });
const promptOnly = t.type({ prompt_id: t.string });
const cached = t.type({ prompt_id: t.string, nodes: t.array(nodeId) });
const executing = t.type({ node: optional(nodeId), display_node: optional(nodeId), prompt_id: optional(t.string) });
const progress = t.type({ value: t.number, max: t.number, prompt_id: optional(t.string), node: optional(nodeId) });
const progressState = t.type({
  prompt_id: t.string,
  nodes: t.record(
    t.string,
    t.type({
      value: t.number,
      max: t.number,
      state: t.string,
      parent_node_id: optional(nodeId),
      display_node_id: optional(nodeId),
    }),
  ),
});
const executed = t.type({ node: nodeId, prompt_id: t.string, output: optional(t.UnknownRecord) });
/** What `execution_error` and `execution_interrupted` say, in frames and in history alike. */
export const brokeCodec = t.type({
  prompt_id: t.string,
  node_id: optional(nodeId),
  node_type: optional(t.string),
  exception_message: optional(t.string),
  exception_type: optional(t.string),
});
export type Broke = t.TypeOf<typeof brokeCodec>;

/** Every frame we read, by ComfyUI's name for it. Any other is none of our business. */
const codecs = {
  status,
  execution_start: promptOnly,
  execution_cached: cached,
  executing,
  progress,
  progress_state: progressState,
  executed,
  execution_success: promptOnly,
  execution_error: brokeCodec,
  execution_interrupted: brokeCodec,
} as const;

type Codecs = typeof codecs;
export type Frame = { [K in keyof Codecs]: { readonly type: K; readonly data: t.TypeOf<Codecs[K]> } }[keyof Codecs];

/** Reads a text frame: what it says, `undefined` where it is none of our business, or how it is malformed. */
export function decodeFrame(text: string): E.Either<MalformedFrame, Frame | undefined> {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch (cause) {
    return E.left(new MalformedFrame('no JSON', { cause }));
  }
  if (!envelope.is(frame)) return E.left(new MalformedFrame('no `type`'));
  const { type, data } = frame;
  if (!Object.hasOwn(codecs, type)) return E.right(undefined);
  return pipe(
    (codecs[type as keyof Codecs] as t.Type<unknown>).decode(data),
    E.bimap(
      (errors) => new MalformedFrame(`${type}: ${wrongFields(errors)}`),
      (decoded) => ({ type, data: decoded }) as Frame,
    ),
  );
}

const envelope = t.type({ type: t.string, data: t.unknown });

/** The fields that are wrong, never their values. */
const wrongFields = (errors: t.Errors): string =>
  [...new Set(errors.map(({ context }) => context.map(({ key }) => key).filter((key) => key !== '' && !/^\d+$/.test(key)).join('.') || 'data'))]
    .slice(0, 3)
    .join(', ');
