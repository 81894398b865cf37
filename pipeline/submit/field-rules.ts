import { bounds } from '../../streams/bounds';
import { isRecord } from '../../streams/options';
import { objectionsToOpening } from '../../streams/reports/objections';
import { isPlain, isWithin } from '../../streams/workflow/shown-text';
import type { JobRequest, OpenRequest, SubmitRequest } from '../api';

/** Why a value is refused, as the predicate of a sentence about its field; `undefined` if it is good. */
export type Rule = (value: unknown) => string | undefined;
export type Rules<R> = { readonly [field in keyof R]-?: Rule };

export const unless =
  (isGood: (value: unknown) => boolean, objection: string): Rule =>
  (value) =>
    isGood(value) ? undefined : objection;

export const optional =
  (rule: Rule): Rule =>
  (value) =>
    value === undefined ? undefined : rule(value);

/** For fields that are checked elsewhere. */
export const anything: Rule = () => undefined;

const text = (most: number): Rule => unless((value) => isPlain(most, value), `must be text of 1 to ${most} characters`);

const whole = (least: number, most: number, of = ''): Rule =>
  unless(
    (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most,
    `must be a whole number${of} from ${least} to ${most}`,
  );

export const NO_NUMBER = 'holds NaN or Infinity, which JSON would make null';

/** For `JSON.stringify`: throws for NaN and infinite numbers, which it would write as `null`. */
export const onlyNumbers = (_key: string, value: unknown): unknown => {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(NO_NUMBER);
  return value;
};

const metadata: Rule = (value) => {
  if (!isRecord(value)) return 'must be an object';
  try {
    const json = JSON.stringify(value, onlyNumbers);
    // An object may have a `toJSON`: what that returns is stored.
    if (!json.startsWith('{')) return 'must be an object';
    const bytes = Buffer.byteLength(json);
    if (bytes <= bounds.metadataBytes) return undefined;
    return `has ${bytes} bytes of JSON; at most ${bounds.metadataBytes} are taken`;
  } catch {
    return 'cannot be written as JSON: it holds a bigint, NaN or an infinite number, refers to itself, or is nested too deep';
  }
};

const isTargets = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length <= bounds.executionTargets &&
  value.every((id) => typeof id === 'string' && isWithin(bounds.nodeIdLength, id));

/** What `track` takes. */
export const job: Rules<JobRequest> = {
  type: text(bounds.typeLength),
  userId: text(bounds.userIdLength),
  characterId: optional(text(bounds.characterIdLength)),
  metadata: optional(metadata),
  server: optional(text(bounds.serverLength)),
};

const isOfBytes = (least: number, most: number, value: unknown): boolean =>
  typeof value === 'string' && value.length >= least && Buffer.byteLength(value) <= most;

/** A store takes no longer key; an empty one would be the same for all users. */
const once = optional(
  unless(
    (value) =>
      isRecord(value) &&
      isOfBytes(1, bounds.onceKeyBytes, value['key']) &&
      isOfBytes(0, bounds.onceBodyBytes, value['body']),
    `must have a key of 1 to ${bounds.onceKeyBytes} bytes, and a body of ${bounds.onceBodyBytes} at most, both texts`,
  ),
);

const reported: Rule = (value) => {
  const [first] = objectionsToOpening(value);
  return first === undefined ? undefined : [first.field, first.message].filter(Boolean).join(' ');
};

const timeoutMs = optional(whole(1, bounds.timeoutMs, ' of milliseconds'));

/** What `open` takes. */
export const opening: Rules<OpenRequest> = {
  type: job.type,
  userId: job.userId,
  characterId: job.characterId,
  metadata: job.metadata,
  once,
  reported: optional(reported),
  timeoutMs,
};

/** What `submit` takes; `workflow` and `extraData` are checked as they are read. */
export const submission: Rules<SubmitRequest> = {
  ...job,
  once,
  workflow: anything,
  outline: optional(unless((value) => typeof value === 'string', 'must be text')),
  extraData: anything,
  front: optional(unless((value) => typeof value === 'boolean', 'must be true or false')),
  number: optional(unless(Number.isFinite, 'must be a number')),
  partialExecutionTargets: optional(
    unless(
      isTargets,
      `must be a list of at most ${bounds.executionTargets} ids of nodes, texts of at most ${bounds.nodeIdLength} characters`,
    ),
  ),
  onLost: optional(unless((value) => value === 'resubmit', "must be 'resubmit', or absent")),
  timeoutMs,
  maxAttempts: optional(whole(1, bounds.attempts)),
};
