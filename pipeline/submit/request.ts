import { STANDINGS } from '../../sinks/listing/job-page';
import { bounds } from '../../streams/bounds';
import { isPromptId } from '../../streams/job/ids';
import { isRecord } from '../../streams/options';
import { objectionsToOpening } from '../../streams/reports/objections';
import { cut, isPlain, isWithin } from '../../streams/workflow/shown-text';
import { InvalidRequest, type JobRequest, type ListQuery, type OpenRequest, type SubmitRequest } from '../api';
import { onlyNumbers } from './prompt';

/** Why a value is refused, as the predicate of a sentence about its field; `undefined` if it is good. */
type Rule = (value: unknown) => string | undefined;
type Rules<R> = { readonly [field in keyof R]-?: Rule };

const unless =
  (isGood: (value: unknown) => boolean, objection: string): Rule =>
  (value) =>
    isGood(value) ? undefined : objection;

const optional =
  (rule: Rule): Rule =>
  (value) =>
    value === undefined ? undefined : rule(value);

/** For fields that are checked elsewhere. */
const anything: Rule = () => undefined;

const text = (most: number): Rule => unless((value) => isPlain(most, value), `must be text of 1 to ${most} characters`);

const whole = (least: number, most: number): Rule =>
  unless(
    (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most,
    `must be a whole number from ${least} to ${most}`,
  );

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

const job: Rules<JobRequest> = {
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

const opening: Rules<OpenRequest> = {
  type: job.type,
  userId: job.userId,
  characterId: job.characterId,
  metadata: job.metadata,
  once,
  reported: optional(reported),
  timeoutMs: optional(whole(1, bounds.timeoutMs)),
};

const submission: Rules<SubmitRequest> = {
  ...job,
  once,
  workflow: anything,
  outline: optional(unless((value) => typeof value === 'string', 'must be text')),
  extraData: anything,
  front: optional(unless((value) => typeof value === 'boolean', 'must be true or false')),
  number: optional(unless(Number.isFinite, 'must be a number')),
  partialExecutionTargets: optional(
    unless(isTargets, `must be at most ${bounds.executionTargets} ids of at most ${bounds.nodeIdLength} characters`),
  ),
  onLost: optional(unless((value) => value === 'resubmit', "must be 'resubmit', or absent")),
  timeoutMs: optional(whole(1, bounds.timeoutMs)),
  maxAttempts: optional(whole(1, bounds.attempts)),
};

const someText = optional(unless((value) => typeof value === 'string', 'must be text'));
const someTime = optional(
  unless((value) => typeof value === 'number' && !Number.isNaN(value), 'must be a time in ms since 1970'),
);
const areStandings = (value: unknown): boolean =>
  Array.isArray(value) && value.every((each) => STANDINGS.some((standing) => standing === each));

const query: Rules<ListQuery> = {
  status: optional(unless(areStandings, `must be a list of some of ${STANDINGS.join(', ')}`)),
  type: someText,
  userId: someText,
  characterId: someText,
  text: someText,
  since: someTime,
  until: someTime,
  cursor: someText,
  limit: optional(unless((value) => Number.isInteger(value) && Number(value) >= 1, 'must be a whole number from 1')),
};

/**
 * Checks a request and copies it: the caller may reuse the object for the next request while this one waits. Throws
 * `InvalidRequest` for the first field that is unknown or has a bad value (R16, R18).
 */
const checking =
  <R extends object>(rules: Rules<R>) =>
  (asked: R): R => {
    if (!isRecord(asked)) throw new InvalidRequest('request', 'must be an object');
    const unknown = Object.keys(asked).find((name) => !Object.hasOwn(rules, name));
    if (unknown !== undefined) throw new InvalidRequest(cut(unknown), 'is not known');
    const taken: Record<string, unknown> = {};
    for (const [field, rule] of Object.entries<Rule>(rules)) {
      const value = asked[field];
      const objection = rule(value);
      if (objection !== undefined) throw new InvalidRequest(field, objection);
      if (value !== undefined) taken[field] = rule === anything ? value : ownOf(value);
    }
    return taken as R;
  };

/** A copy of a JSON value as it will be stored, so that the caller may change the given object. */
export const ownOf = <T>(value: T): T =>
  typeof value === 'object' && value !== null ? (JSON.parse(JSON.stringify(value)) as T) : value;

/** Checks what `submit` is given, but for workflow and extra data: `promptOf` checks and copies those. */
export const checkedSubmission = checking(submission);
/** Checks what `open` is given. */
export const checkedOpening = checking(opening);
/** Checks what `track` is given. */
export const checkedTracking = checking(job);
/** Checks what `list` is given. */
export const checkedQuery = checking(query);

/** Throws `InvalidRequest` for an id under which no job can be asked for over HTTP and sockets. */
export function checkId(promptId: unknown): asserts promptId is string {
  if (typeof promptId !== 'string' || !isPromptId(promptId))
    throw new InvalidRequest('promptId', 'must be 1 to 128 letters, digits, _, - and ., the first no .');
}
