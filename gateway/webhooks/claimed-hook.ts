import type { Hook } from '../../sinks/webhook-queue';
import type { Errand } from './fair-queue';
import { decodeWebhook, type Webhook } from './webhook.codec';

/** A claimed webhook. */
export interface ClaimedHook extends Errand {
  readonly promptId: string;
  readonly webhook: Webhook;
}

/** Decodes a claimed hook; `undefined` if its text is no webhook. */
export function claimedHook({ promptId, text }: Hook): ClaimedHook | undefined {
  const webhook = decodeWebhook(text);
  if (webhook === undefined || !URL.canParse(webhook.url)) return undefined;
  const { url, userId = '', attempts } = webhook;
  return { promptId, webhook, host: new URL(url).hostname, userId, attempts };
}
