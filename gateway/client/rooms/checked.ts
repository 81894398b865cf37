import { isRecord } from '../../../streams/options';
import type { LiveJobs, PreviewHead, Reply, WatchReply } from '../../wire/protocol';
import type { PublicJob } from '../../wire/public-job';
import { JobstreamError } from '../jobstream-error';
import { refusalOf } from './asking';

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => (isRecord(value) ? value : {});

/** Whether a value has what the client itself reads of a state; what it does not read may be anything. */
export function isJob(value: unknown): value is PublicJob {
  const { promptId, status, progress, epoch, seq, attempt } = fieldsOf(value);
  const areTexts = typeof promptId === 'string' && typeof status === 'string';
  return areTexts && [progress, epoch, seq, attempt].every((number) => Number.isFinite(number));
}

/** The job of an answer to `job:join`. Throws a `JobstreamError`: the refusal, or `no-answer` if it is no answer. */
export function jobIn(reply: Reply): PublicJob {
  const { job } = accepted(reply);
  if (!isJob(job)) throw senseless();
  return job;
}

/** The jobs of an answer to `jobs:watch`, without what is no job. Throws as `jobIn` does. */
export function liveIn(reply: WatchReply): LiveJobs {
  const { jobs, more, partial } = accepted(reply);
  if (!Array.isArray(jobs)) throw senseless();
  return { jobs: jobs.filter(isJob), more: more === true, ...(partial === true && { partial }) };
}

/** The bytes of a preview of this job; `undefined` if it is another's, or none. Never a view of shared memory. */
export function bytesOf(head: PreviewHead, image: unknown, promptId: string): Uint8Array<ArrayBuffer> | undefined {
  if (fieldsOf(head)['promptId'] !== promptId) return undefined;
  // Browsers get an `ArrayBuffer`, despite the type, and Node a `Buffer`.
  if (image instanceof ArrayBuffer) return new Uint8Array(image);
  return ArrayBuffer.isView(image) ? (image as Uint8Array<ArrayBuffer>) : undefined;
}

function accepted(reply: unknown): Fields {
  const { ok, error, ...rest } = fieldsOf(reply);
  if (ok === true) return rest;
  const { code, message } = fieldsOf(error);
  if (typeof code !== 'string') throw senseless();
  throw refusalOf({ ok: false, error: { code, message: String(message) } });
}

const senseless = (): JobstreamError => new JobstreamError('no-answer', 'What the gateway answers makes no sense.');
