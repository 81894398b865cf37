import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';

const line = t.type({ t: t.number });
const socket = t.type({ t: t.number, ws: t.string });
const opened = t.intersection([socket, t.type({ event: t.literal('open'), clientId: t.string })]);
const closed = t.intersection([
  socket,
  t.type({ event: t.union([t.literal('close'), t.literal('error')]) }),
  t.partial({ code: t.number }),
]);
const text = t.intersection([socket, t.type({ text: t.string })]);
const binary = t.intersection([socket, t.type({ binary: t.string })]);
const http = t.type({
  t: t.number,
  http: t.intersection([
    t.type({ method: t.string, path: t.string }),
    t.partial({ body: t.unknown, status: t.number, response: t.unknown, error: t.string }),
  ]),
});
const entry = t.union([opened, closed, text, binary, http]);

/** One line of a recording: what one socket said, or one request with its answer. `t` is ms since the recording began. */
export type Recorded = t.TypeOf<typeof entry>;

/** Reads a recording, one JSON object a line; names the first line that is none. */
export function readRecording(jsonl: string): E.Either<Error, readonly Recorded[]> {
  const recorded: Recorded[] = [];
  for (const [index, text] of jsonl.split('\n').entries()) {
    if (text.trim() === '') continue;
    const read = pipe(
      E.tryCatch((): unknown => JSON.parse(text), E.toError),
      E.chainW((value) =>
        entry.is(value)
          ? E.right(value)
          : E.left(new Error(line.is(value) ? 'neither a socket nor an http line' : 'no `t`')),
      ),
    );
    if (E.isLeft(read)) return E.left(new Error(`line ${index + 1}: ${read.left.message}`));
    recorded.push(read.right);
  }
  return E.right(recorded);
}
