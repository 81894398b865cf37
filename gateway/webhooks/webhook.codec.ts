import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';

const webhook = t.intersection([
  t.type({ url: t.string, at: t.number, attempts: t.number }),
  t.partial({ userId: t.string, byService: t.boolean, since: t.number, body: t.string }),
]);

/** A webhook, as it is stored until it is delivered. */
export interface Webhook {
  readonly url: string;
  /** When it was asked for, ms. */
  readonly at: number;
  /** How many attempts failed. */
  readonly attempts: number;
  /** The user whose job it must be: no other user's state is ever sent. */
  readonly userId?: string;
  /** Whether a service asked for it, whose view of a job holds more. */
  readonly byService?: boolean;
  /** When the first attempt was made, ms; set together with `body`, which every attempt sends. */
  readonly since?: number;
  readonly body?: string;
}

export const decodeWebhook = (text: string): Webhook | undefined =>
  pipe(
    parse(text),
    E.flatMap((value) => webhook.decode(value)),
    E.map(({ userId, byService, since, body, ...always }): Webhook | undefined => ({
      ...always,
      ...(userId !== undefined && { userId }),
      ...(byService !== undefined && { byService }),
      ...(since !== undefined && { since }),
      ...(body !== undefined && { body }),
    })),
    E.getOrElse((): Webhook | undefined => undefined),
  );
