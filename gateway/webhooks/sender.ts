import { createHmac } from 'node:crypto';
import { catchError, of, type Observable } from 'rxjs';
import { Agent, request } from 'undici';
import { withDeadline } from '../../streams/operators/with-deadline';
import { guardedLookup, objectionToUrl, type WebhookPolicy } from './address-policy';

/** One attempt's message. */
export interface Message {
  readonly id: string;
  readonly url: string;
  readonly body: string;
  /** How many came before it. */
  readonly attempts?: number;
}

/** A webhook is given up for good. */
export class GaveUp extends Error {
  override readonly name = 'GaveUp';
}

/** What became of it: taken, told never to come again, or not taken, and why: fit for a log, without the URL. */
export type Outcome =
  { readonly tag: 'delivered' } | { readonly tag: 'unwanted' } | { readonly tag: 'failed'; readonly reason: string };

export interface WebhookSender {
  /** Posts a message once. Emits the outcome; never errors. Unsubscribing breaks the attempt off. */
  readonly send: (message: Message) => Observable<Outcome>;
  readonly close: () => Promise<void>;
}

/** An attempt takes no longer. */
const PATIENCE_MS = 15_000;

/** Posts signed messages as Standard Webhooks has it. Follows no redirect and connects to no private address. */
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
      headers: {
        'content-type': 'application/json',
        'user-agent': 'comfyui-jobstream',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatureOf(secret, id, timestamp, body),
      },
      body,
    });
    // What it says is nobody's business; read so that the connection can serve again, or broken if it is much.
    await answer.body.dump({ limit: 65_536 }).catch(() => undefined);
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

/** undici's texts name addresses, not URLs; still, only its code is told where it has one. */
const reasonOf = (error: unknown): string => {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : String(message);
};
