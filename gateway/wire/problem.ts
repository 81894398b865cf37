import type { NodeError } from '../../streams/job/job-state';
import type { FieldError } from './described.codec';

const KINDS = {
  'bad-request': [400, 'The request is wrong'],
  'malformed-json': [400, 'The body is no JSON'],
  unauthorized: [401, 'A valid token is needed'],
  forbidden: [403, 'Not allowed'],
  'not-found': [404, 'Nothing is here'],
  'unknown-job': [404, 'No such job'],
  'unknown-output': [404, 'The job has no such output'],
  'method-not-allowed': [405, 'The method does not fit'],
  'body-too-large': [413, 'The body is too large'],
  'no-such-range': [416, 'The output has no such part'],
  'unsupported-media-type': [415, 'The body is of a kind that is not taken'],
  'body-too-slow': [408, 'The body came too slowly'],
  'key-spent': [409, 'The Idempotency-Key was used up'],
  'not-reported': [409, 'The job does not report itself'],
  'workflow-refused': [422, 'The workflow was refused'],
  'input-refused': [422, 'ComfyUI refused the file'],
  'key-reused': [422, 'The Idempotency-Key stands for another request'],
  'too-many-jobs': [429, 'Too many jobs joined'],
  'too-much-under-way': [429, 'Too much is under way'],
  'too-many-sockets': [429, 'Too many sockets'],
  'too-many-requests': [429, 'Too many requests'],
  internal: [500, 'The gateway failed'],
  'no-answer': [502, 'ComfyUI gave no usable answer'],
  'output-too-large': [502, 'The output is too large'],
  busy: [503, 'Too much is under way here'],
  'keys-unavailable': [503, 'Tokens cannot be checked right now'],
  closing: [503, 'The gateway is closing'],
  'store-unavailable': [503, 'Job states cannot be read right now'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemKind = keyof typeof KINDS;

/** All kinds of problems; `statusOf` gives their HTTP status. */
export const problemKinds = Object.keys(KINDS) as readonly ProblemKind[];
export const statusOf = (kind: ProblemKind): number => KINDS[kind][0];
export const problemType = (kind: ProblemKind): string => `urn:comfyui-jobstream:problem:${kind}`;

export interface ProblemDetails {
  /** What went wrong this time, for a person. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly promptId?: string;
  readonly nodeErrors?: readonly NodeError[];
}

/** A problem document (RFC 9457). Routes throw it, the last middleware sends it. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  constructor(
    readonly kind: ProblemKind,
    readonly details: ProblemDetails = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(details.detail ?? KINDS[kind][1]);
    this.status = KINDS[kind][0];
  }

  toJSON(): Readonly<Record<string, unknown>> {
    return { type: problemType(this.kind), title: KINDS[this.kind][1], status: this.status, ...this.details };
  }
}

/** The same text whether the job is missing or hidden, so that nobody learns which jobs exist (R14). */
export const unknownJob = (): Problem =>
  new Problem('unknown-job', { detail: 'There is no job of that id, or none that you may see.' });
