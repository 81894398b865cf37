import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import type { JobReport } from '../../../streams/reports/job-report';
import type { SessionRequest } from '../../leases';
import type { ProcessIdentity } from '../../process-identity';

/** Who holds a lease. `instance` is a random id of the store; `process` is absent where there is no Linux `/proc`. */
export interface LeaseOwner {
  readonly instance: string;
  readonly process?: ProcessIdentity;
}

/** A value under one of the keys or channels of the leases is not ours. Never shows the value. */
export class UnreadableLease extends Error {
  override readonly name = 'UnreadableLease';
  constructor(
    readonly key: string,
    reason: string,
  ) {
    super(`${key}: ${reason}`);
  }
}

const processIdentity: t.Type<ProcessIdentity> = t.type({
  bootId: t.string,
  pidNamespace: t.string,
  pid: t.number,
  startTime: t.number,
});

const leaseOwner = t.intersection([t.type({ instance: t.string }), t.partial({ process: processIdentity })]);

const registration = t.type({ serverUrl: t.string });

/** The instance that passes a report on has checked its values: here only their types are checked. */
const report = t.intersection([
  t.type({ count: t.number }),
  t.partial({
    value: t.number,
    max: t.number,
    stage: t.string,
    message: t.string,
    metrics: t.record(t.string, t.number),
    outputs: t.readonlyArray(t.string),
    failure: t.intersection([
      t.type({ message: t.string }),
      t.partial({
        kind: t.keyof({ node_error: null, out_of_memory: null, interrupted: null, missing_output: null }),
        retryable: t.boolean,
      }),
    ]),
  }),
]) as unknown as t.Type<JobReport>;

const request: t.Type<SessionRequest> = t.union([
  t.type({ tag: t.literal('cancel'), promptId: t.string }),
  t.type({ tag: t.literal('report'), promptId: t.string, report }),
  t.type({ tag: t.literal('evicted'), clientId: t.string }),
]);

const decoded =
  <A>(codec: t.Decoder<unknown, A>, what: string) =>
  (key: string, json: string): E.Either<UnreadableLease, A> =>
    pipe(
      parse(json),
      E.flatMap(codec.decode),
      E.mapLeft(() => new UnreadableLease(key, `what is there is no ${what}`)),
    );

export const decodeLeaseOwner = decoded(leaseOwner as t.Type<LeaseOwner>, 'owner of a lease');

/** What is registered of a session beside its client id. */
export const decodeRegistration = decoded(registration, 'session');

export const decodeRequest = decoded(request, 'request');
