import { createHmac } from 'node:crypto';
import { catchError, of, type Observable } from 'rxjs';
import { Agent, request } from 'undici';
import { interimAnswers } from '../../streams/operators/interim-answers';
import { withDeadline } from '../../streams/operators/with-deadline';
import { guardedLookup, objectionToUrl, type WebhookPolicy } from './address-policy';

/** The message of one attempt. */
export interface Message {
  readonly id: string;
  readonly url: string;
  readonly body: string;
  /** How many attempts failed before. */
  readonly attempts?: number;
}

/** A webhook was given up for good. */
export class GaveUp extends Error {
  override readonly name = 'GaveUp';
}

/**
 * The outcome of an attempt; `unwanted`: the receiver answered 410. `reason` goes into the log, and does not hold the
 * URL.
 */
export type Outcome =
  { readonly tag: 'delivered' } | { readonly tag: 'unwanted' } | { readonly tag: 'failed'; readonly reason: string };

export interface WebhookSender {
  /** Posts a message once. Emits the outcome; never errors. Unsubscribing aborts the attempt. */
  readonly send: (message: Message) => Observable<Outcome>;
  readonly close: () => Promise<void>;
}

/** The longest time of an attempt. */
const PATIENCE_MS = 15_000;
/** How long a receiver may take to end its answer's body. */
const BODY_MS = 1_000;

/** Posts messages, signed as Standard Webhooks defines. Follows no redirect and connects to no private address. */
export function webhookSender(
  secret: Uint8Array,
  policy: WebhookPolicy,
  nowMs: () => number,
  lookup = guardedLookup(policy),
): WebhookSender {
  const agent = new Agent({ connect: { lookup, timeout: 5_000 }, connections: 4, pipelining: 1 });

  const post = async ({ id, url, body }: Message, signal: AbortSignal): Promise<Outcome> => {
    const objection = objectionToUrl(url, policy);
    if (objection !== undefined) return { tag: 'failed', reason: objection };
    const timestamp = String(Math.floor(nowMs() / 1000));
    const answer = await request(url, {
      dispatcher: agent,
      method: 'POST',
      signal,
      headersTimeout: PATIENCE_MS,
      onInfo: interimAnswers(),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'comfyui-jobstream',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatureOf(secret, id, timestamp, body),
      },
      body,
    });
    // The status is the outcome. The body is read, and not waited for, so that the connection can be reused; past
    // 64 KiB or 1 s the connection is broken.
    answer.body.dump({ limit: 65_536, signal: AbortSignal.timeout(BODY_MS) }).catch(() => undefined);
    return outcomeOf(answer.statusCode);
  };

  return {
    send: (message) =>
      withDeadline(PATIENCE_MS, (signal) => post(message, signal)).pipe(
        catchError((error: unknown) => of<Outcome>({ tag: 'failed', reason: reasonOf(error) })),
      ),
    close: () => agent.destroy(),
  };
}

/** `v1,` and the HMAC-SHA256 of id, time and body. */
const signatureOf = (secret: Uint8Array, id: string, timestamp: string, body: string): string =>
  `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`;

const outcomeOf = (status: number): Outcome => {
  if (status >= 200 && status < 300) return { tag: 'delivered' };
  return status === 410 ? { tag: 'unwanted' } : { tag: 'failed', reason: `it answered ${status}` };
};

/** The error's code if it has one: undici's messages name addresses. */
const reasonOf = (error: unknown): string => {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : String(message);
};
