import { createHash } from 'node:crypto';
import * as E from 'fp-ts/Either';
import { outlineOf as outlineOfPrompt } from '../../../streams/job/workflow';
import type { FieldError } from '../../wire/described.codec';
import type { ProblemDetails, ProblemKind } from '../../wire/problem';
import type { JobReport } from '../../../pipeline/api';
import { reportRequest } from '../requests/report-request.codec';
import { submitRequest, trackRequest, type SubmitBody, type TrackBody } from '../requests/job-request.codec';
import { detailsOf } from '../requests/fields/bad-fields';
import { cut } from '../../../streams/workflow/shown-text';
import { outlineOf, type Member } from '../../../streams/workflow/json-outline';
import { isRecord } from '../../../streams/options';

/** What bodies there are. */
export interface Bodies {
  readonly submit: SubmitBody;
  readonly track: TrackBody;
  readonly report: JobReport;
}

export interface Unchecked<K extends keyof Bodies = keyof Bodies> {
  readonly kind: K;
  /** In pieces, as they came. */
  readonly chunks: readonly Uint8Array[];
  /** Whether the body must say whose job it is. */
  readonly needsUser: boolean;
  /** Whether a digest is wanted: hashing costs. */
  readonly wantsDigest: boolean;
}

/** What a body says, or why it is refused: plain values, fit to come from another thread. */
export type Checked<K extends keyof Bodies = keyof Bodies> =
  | { readonly tag: 'good'; readonly body: Bodies[K]; readonly digest?: string }
  | { readonly tag: 'refused'; readonly kind: ProblemKind; readonly details: ProblemDetails };

/** Reads a body. Total, and pure: the same in whichever thread. */
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
  const outline = outlineOf(text);
  if (outline.tag === 'beyond') {
    const message = `has more than ${outline.most} ${outline.bound}`;
    return refused('bad-request', `The body ${message}.`, [{ field: 'body', message }]);
  }
  const json = E.tryCatch(
    () => JSON.parse(text) as unknown,
    () => undefined,
  );
  if (E.isLeft(json)) return refused('malformed-json', 'The body could not be parsed as JSON.');
  const errors = objections(json.right, text, outline.members, needsUser);
  const read = reading[kind](json.right, (name) => memberText(text, outline.members, name)) as E.Either<
    readonly FieldError[],
    Bodies[K]
  >;
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

/** A large workflow is read once, here, and nowhere else. */
const LARGE_BYTES = 256 << 10;
function outlined<B extends Bodies[keyof Bodies]>(body: B, bytes: number): B {
  if (bytes < LARGE_BYTES || !('tag' in body) || body.tag !== 'workflow' || typeof body.request.workflow !== 'string')
    return body;
  const { workflow: outline } = outlineOfPrompt({ workflow: body.request.workflow });
  return { ...body, request: { ...body.request, outline } };
}

/** What only the text can tell, and what depends on who asks. */
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
    ...(metadata.length <= MOST_METADATA ? unkeptIn(metadata).map((message) => ({ field: 'metadata', message })) : []),
  ];
}

function firstTwice(members: readonly Member[]): string | undefined {
  const seen = new Set<string>();
  for (const { key } of members) if (seen.size === seen.add(key).size) return key;
  return undefined;
}

/** Reach ComfyUI as text, whatever is in them. */
const PASSED_ON: ReadonlySet<string> = new Set(['workflow', 'extraData']);

/** JavaScript would keep the last of two fields of one name, and drop the other in silence. */
function givenTwiceIn(text: string, { key, start, end }: Member): readonly FieldError[] {
  if (end - start > MOST_METADATA) return [];
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

/** A name of a field with its colon, a text, and where objects and arrays begin and end. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}[\]]/g;

/** Longer ones are refused for their length. */
const MOST_METADATA = 100_000;

/** Why JavaScript would keep a number of this JSON as another one. */
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

/** Infinite, which JSON has no word for, or nothing although a digit of it is not. */
const isBeyond = (digits: string): boolean =>
  !Number.isFinite(Number(digits)) || (Number(digits) === 0 && /^-?[0.]*[1-9]/.test(digits));

/** Empty where there is none. */
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
