import { STANDINGS } from '../../sinks/listing/job-page';
import { isPromptId } from '../../streams/job/ids';
import { isRecord } from '../../streams/options';
import { cut } from '../../streams/workflow/shown-text';
import { InvalidRequest, type ListQuery } from '../api';
import { anything, job, opening, optional, submission, unless, type Rule, type Rules } from './field-rules';

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
