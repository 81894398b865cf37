import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import type { JobState } from '../../streams/job/job-state';
import { jobState } from '../../sinks/codecs/job-state.codec';

/** The value that the store holds under a caller's key. */
export interface Reservation {
  /** The id of the key's job, whichever call submits it. */
  readonly promptId: string;
  /** When the key was first used, ms since 1970. */
  readonly at: number;
  /** See `SubmitOnce.body`. */
  readonly body: string;
  /** The job's state after it was submitted; absent until then. */
  readonly job?: JobState;
}

const reservation = t.intersection([
  t.type({ promptId: t.string, at: t.number, body: t.string }),
  t.partial({ job: jobState }),
]);

/** Decodes a reservation; `undefined` if another program wrote over it. */
export const decodeReservation = (text: string): Reservation | undefined =>
  pipe(
    parse(text),
    E.flatMap((value) => reservation.decode(value)),
    E.map(({ job, ...held }) => ({ ...held, ...(job && { job }) })),
    E.getOrElse((): Reservation | undefined => undefined),
  );
