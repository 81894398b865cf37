import { createHash } from 'node:crypto';
import * as E from 'fp-ts/Either';
import { outlineOf } from '../../../streams/job/workflow';
import type { FieldError } from '../../wire/described.codec';
import type { ProblemDetails, ProblemKind } from '../../wire/problem';
import type { JobReport } from '../../../pipeline/api';
import { reportRequest } from '../requests/report-request.codec';
import { submitRequest, trackRequest, type SubmitBody, type TrackBody } from '../requests/job-request.codec';
import { detailsOf } from '../requests/fields/bad-fields';
import { bounds } from '../../../streams/bounds';
import { cut } from '../../../streams/workflow/shown-text';
import { membersWithin, type Member } from '../../../streams/workflow/json-members';
import { isRecord } from '../../../streams/options';

/** The kinds of bodies, and what each is decoded to. */
export interface Bodies {
  readonly submit: SubmitBody;
  readonly track: TrackBody;
  readonly report: JobReport;
}

export interface Unchecked<K extends keyof Bodies = keyof Bodies> {
  readonly kind: K;
  /** The body's bytes, in the pieces that arrived. */
  readonly chunks: readonly Uint8Array[];
  /** Whether the body must say whose job it is. */
  readonly needsUser: boolean;
  /** Whether to compute a digest, which only a request with an `Idempotency-Key` needs. */
  readonly wantsDigest: boolean;
}

/** The decoded body, or why it is refused: plain values, which a thread can post. */
export type Checked<K extends keyof Bodies = keyof Bodies> =
  | { readonly tag: 'good'; readonly body: Bodies[K]; readonly digest?: string }
  | { readonly tag: 'refused'; readonly kind: ProblemKind; readonly details: ProblemDetails };

/** Decodes a body. Pure, and never throws, so it may run in any thread. `digest`: SHA-256 of the bytes, base64url. */
export function checkedBody<K extends keyof Bodies>({
  kind,
  chunks,
  needsUser,
  wantsDigest,
}: Unchecked<K>): Checked<K> {
  const [first] = chunks;
  const bytes = first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
  const text = textFrom(bytes);
  if (text === undefined) return refused('malformed-json', 'The body is not UTF-8.');
  const weighed = membersWithin(text);
  if (weighed.tag === 'beyond') {
    const message = weighed.objection;
    return refused('bad-request', `The body ${message}.`, [{ field: 'body', message }]);
  }
  const { members } = weighed;
  const json = E.tryCatch(
    () => JSON.parse(text) as unknown,
    () => undefined,
  );
  if (E.isLeft(json)) return refused('malformed-json', 'The body could not be parsed as JSON.');
  const objected = objections(json.right, text, members, needsUser);
  const read = reading[kind](json.right, (name) => memberText(text, members, name)) as E.Either<
    readonly FieldError[],
    Bodies[K]
  >;
  const errors = E.isLeft(read) ? objected : [...objected, ...unsearched(members)];
  if (E.isLeft(read) || errors.length > 0) {
    const details = detailsOf([...(E.isLeft(read) ? read.left : []), ...errors]);
    return { tag: 'refused', kind: 'bad-request', details };
  }
  return {
    tag: 'good',
    body: kind === 'submit' ? outlined(read.right, bytes.length) : read.right,
    ...(wantsDigest && { digest: digestOf(bytes) }),
  };
}

const reading = {
  submit: submitRequest,
  track: trackRequest,
  report: reportRequest,
};

/** A body below this is decoded within 10 ms, less than it takes to hand it to the thread. */
export const LARGE_BYTES = 256 << 10;

/** A large workflow's outline is made here, in the thread: made later, it would block the event loop. */
function outlined<B extends Bodies[keyof Bodies]>(body: B, bytes: number): B {
  if (bytes < LARGE_BYTES || !('tag' in body) || body.tag !== 'workflow' || typeof body.request.workflow !== 'string')
    return body;
  const { workflow: outline } = outlineOf({ workflow: body.request.workflow });
  return { ...body, request: { ...body.request, outline } };
}

/** Errors that only the text shows (fields given twice, numbers that would change), and a missing `userId`. */
function objections(
  json: unknown,
  text: string,
  members: readonly Member[],
  needsUser: boolean,
): readonly FieldError[] {
  const twice = firstTwice(members);
  const metadata = memberText(text, members, 'metadata');
  return [
    ...(twice === undefined ? [] : [{ field: cut(twice), message: 'is given twice' }]),
    ...members.filter(({ key }) => !PASSED_ON.has(key)).flatMap((member) => givenTwiceIn(text, member)),
    ...(isRecord(json) && needsUser && memberText(text, members, 'userId') === ''
      ? [{ field: 'userId', message: 'must say whose job it is: the token does not' }]
      : []),
    ...(metadata.length <= bounds.fieldLength
      ? unkeptIn(metadata).map((message) => ({ field: 'metadata', message }))
      : []),
  ];
}

function firstTwice(members: readonly Member[]): string | undefined {
  const seen = new Set<string>();
  for (const { key } of members) if (seen.size === seen.add(key).size) return key;
  return undefined;
}

/** Members that reach ComfyUI as the caller's own text (R18), so a field given twice in them is ComfyUI's to judge. */
const PASSED_ON: ReadonlySet<string> = new Set(['workflow', 'extraData']);

/** The first field that a member's value has twice: `JSON.parse` would keep the last and drop the other in silence. */
function givenTwiceIn(text: string, { key, start, end }: Member): readonly FieldError[] {
  if (end - start > bounds.fieldLength) return [];
  const objects: (Set<string> | undefined)[] = [];
  for (const [token, colon] of text.slice(start, end).matchAll(TOKENS)) {
    if (token === '{' || token === '[') objects.push(token === '{' ? new Set() : undefined);
    else if (token === '}' || token === ']') objects.pop();
    else if (colon !== undefined) {
      const name = JSON.parse(token.slice(0, -colon.length)) as string;
      const names = objects.at(-1);
      if (names?.has(name) === true) return [{ field: cut(key), message: `has ${cut(name)} twice` }];
      names?.add(name);
    }
  }
  return [];
}

/** A field's name with its colon, another string, or a bracket. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}[\]]/g;

/**
 * Fields whose text is not searched. One within its own bounds is longer only by its blanks, or by escapes for plain
 * letters: it is refused, since nothing would tell what `JSON.parse` drops of it.
 */
const unsearched = (members: readonly Member[]): readonly FieldError[] =>
  members
    .filter(({ key, start, end }) => !PASSED_ON.has(key) && end - start > bounds.fieldLength)
    .map(({ key, start, end }) => ({
      field: cut(key),
      message: `has ${end - start} characters of JSON; at most ${bounds.fieldLength} are taken`,
    }));

/** Why JavaScript would change a number of this JSON; empty if it keeps them all. */
function unkeptIn(json: string): readonly string[] {
  if (!/\d{16}|e[+-]?\d{3}/i.test(json)) return [];
  const numbers = json.replace(TEXTS, '').match(NUMBERS) ?? [];
  if (numbers.some(isLargeInteger))
    return ['holds an integer over 2^53: give it as text, or a digit of it would change'];
  return numbers.some(isBeyond)
    ? ['holds a number that is too large or too small: give it as text, or it would be lost']
    : [];
}

const TEXTS = /"[^"\\]*(?:\\.[^"\\]*)*"/g;
const NUMBERS = /-?\d[\d.e+-]*/gi;

const isLargeInteger = (digits: string): boolean => /^-?\d+$/.test(digits) && !Number.isSafeInteger(Number(digits));

/** Whether a number overflows to Infinity, which JSON cannot hold, or underflows to 0 although it has another digit. */
const isBeyond = (digits: string): boolean =>
  !Number.isFinite(Number(digits)) || (Number(digits) === 0 && /^-?[0.]*[1-9]/.test(digits));

/** The text of a member's value; empty if there is no such member. */
function memberText(text: string, members: readonly Member[], name: string): string {
  const { start = 0, end = 0 } = members.find(({ key }) => key === name) ?? {};
  return text.slice(start, end);
}

const textFrom = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
};

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64url');

const refused = (kind: ProblemKind, detail: string, errors?: readonly FieldError[]) =>
  ({ tag: 'refused', kind, details: { detail, ...(errors && { errors }) } }) as const;
