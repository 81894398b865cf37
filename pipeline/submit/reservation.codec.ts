import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import type { JobState } from '../../streams/job/job-state';
import { jobState } from '../../sinks/codecs/job-state.codec';

/** What a caller's key for a submission stands for. */
export interface Reservation {
  /** The job that is submitted under the key, whoever submits it. */
  readonly promptId: string;
  /** When the key was first used, ms. */
  readonly at: number;
  /** What was to be submitted, as a digest. */
  readonly body: string;
  /** What the job was when it was submitted; absent until then. */
  readonly job?: JobState;
}

const reservation = t.intersection([
  t.type({ promptId: t.string, at: t.number, body: t.string }),
  t.partial({ job: jobState }),
]);

/** Reads what is reserved; nothing where somebody else wrote over it. */
export const decodeReservation = (text: string): Reservation | undefined =>
  pipe(
    parse(text),
    E.flatMap((value) => reservation.decode(value)),
    E.map(({ job, ...held }) => ({ ...held, ...(job && { job }) })),
    E.getOrElse((): Reservation | undefined => undefined),
  );
