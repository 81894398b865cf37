import { bounds } from '../bounds';
import type { Objection } from '../workflow/objections';
import { cut, isWithin } from '../workflow/shown-text';
import { reportedKinds } from './job-report';
import { isRecord } from '../options';

/** Why a field of a report is refused, as the predicate of a sentence; the same in-process and over HTTP (R16). */
export const objectionsByField: Rules = {
  count: (value) => unless(isWhole(value) && value >= 1, `must be a whole number from 1 to ${Number.MAX_SAFE_INTEGER}`),
  value: (value) => unless(isAmount(value), AMOUNT),
  max: (value) => unless(isAmount(value) && value > 0, `${AMOUNT}, and more than 0`),
  stage: (value) => ofText(value, bounds.stageLength),
  message: (value) => ofText(value, bounds.messageLength),
  metrics: ofMetrics,
  outputs: ofOutputs,
  failure: ofFailure,
};

/** The objections to a report's fields, or to how they go together; 20 at most (`bounds.fieldErrors`). */
export function objectionsToReport(report: unknown): readonly Objection[] {
  if (!isRecord(report)) return [{ field: 'report', message: 'must be an object' }];
  const objections = objectionsTo(report, objectionsByField);
  const all = [...objections, ...(objections.length === 0 ? objectionsToWhole(report) : [])];
  return all.slice(0, bounds.fieldErrors);
}

/** The objections to how a report's fields go together, each of which is good by itself. */
export function objectionsToWhole({ count, value, max, outputs, failure }: Fields): readonly Objection[] {
  if (count === undefined) return [{ field: 'count', message: 'must be given: a number that grows with each report' }];
  if ((value === undefined) !== (max === undefined))
    return [{ field: value === undefined ? 'value' : 'max', message: 'must be given: value and max go together' }];
  if (Number(value) > Number(max)) return [{ field: 'value', message: 'must not be more than max' }];
  if (outputs !== undefined && failure !== undefined)
    return [{ field: 'failure', message: 'must not be given with outputs: a job has one end' }];
  return [];
}

/** The objections to `OpenRequest.reported`. */
export function objectionsToOpening(reported: unknown): readonly Objection[] {
  if (!isRecord(reported)) return [{ field: '', message: 'must be an object' }];
  return objectionsTo(reported, openingFields);
}

/** The objections to each field by its rule, and to each field that has none. */
const objectionsTo = (fields: Fields, rules: Rules): readonly Objection[] =>
  Object.entries(fields).flatMap(([field, value]) => {
    if (value === undefined) return [];
    const message = Object.hasOwn(rules, field) ? rules[field]?.(value) : 'is not known';
    return message === undefined ? [] : [{ field: cut(field), message }];
  });

const openingFields: Rules = {
  steps: (value) =>
    unless(isWhole(value) && value >= 1 && value <= MOST_AMOUNT, `must be a whole number from 1 to ${MOST_AMOUNT}`),
  silentMs: (value) =>
    unless(
      isWhole(value) && value >= bounds.leastSilentMs && value <= bounds.mostSilentMs,
      `must be a whole number of milliseconds from ${bounds.leastSilentMs} to ${bounds.mostSilentMs}`,
    ),
};

type Fields = Readonly<Record<string, unknown>>;
type Rules = Readonly<Record<string, (value: unknown) => string | undefined>>;

const MOST_AMOUNT = 1e12;
const AMOUNT = `must be a number from 0 to ${MOST_AMOUNT}`;

const unless = (isGood: boolean, objection: string): string | undefined => (isGood ? undefined : objection);
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);
const isAmount = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= MOST_AMOUNT;
const isText = (value: unknown, length: number): value is string =>
  typeof value === 'string' && value !== '' && isWithin(length, value);

const ofText = (value: unknown, length: number): string | undefined =>
  unless(isText(value, length), `must be text of 1 to ${length} characters`);

/** Names that trainers use: `loss`, `train/loss`, `lr-AdamW`, `eval_loss@512`. */
export const METRIC_NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._/@%:()+-]*$/u;

function ofMetrics(value: unknown): string | undefined {
  if (!isRecord(value)) return 'must be an object of numbers by name';
  const entries = Object.entries(value);
  if (entries.length > bounds.metrics) return `has ${entries.length} names; at most ${bounds.metrics} are taken`;
  for (const [name, number] of entries) {
    if (!isText(name, bounds.metricNameLength) || !METRIC_NAME.test(name))
      return `has a name that is not 1 to ${bounds.metricNameLength} letters, digits and signs: ${cut(name)}`;
    if (!Number.isFinite(number)) return `must hold finite numbers; ${name} is none`;
  }
  return undefined;
}

function ofOutputs(value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'must be a list of names or URLs';
  if (value.length > bounds.reportedOutputs) return `has ${value.length}; at most ${bounds.reportedOutputs} are taken`;
  const length = bounds.reportedOutputLength;
  if (!value.every((name) => isText(name, length) && !/\p{Cc}/u.test(name)))
    return `must hold texts of 1 to ${length} characters`;
  return unless(!value.some(hasCredentials), 'must hold no URL with a user or password in it');
}

/** Browsers take any number of slashes before the host, and backslashes for them. */
const hasCredentials = (text: string): boolean => /^https?:[/\\]*[^/\\?#]*@/i.test(text);

function ofFailure(value: unknown): string | undefined {
  if (!isRecord(value)) return 'must be an object with a message';
  const { message, kind, retryable, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `holds ${cut(unknown)}, which is not known`;
  if (!isText(message, bounds.messageLength)) return `must have a message of 1 to ${bounds.messageLength} characters`;
  if (kind !== undefined && !reportedKinds.some((known) => known === kind))
    return `must have a kind that is one of ${reportedKinds.join(', ')}, or none`;
  return unless(retryable === undefined || typeof retryable === 'boolean', 'must have retryable as true or false');
}
