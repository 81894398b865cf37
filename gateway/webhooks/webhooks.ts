import type { Log } from '../server/log';
import { asyncScheduler, defer, tap } from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import type { Hooks } from '../../sinks/webhook-queue';
import type { Auth } from '../admission/auth/auth';
import type { GatewayTelemetry } from '../metrics/gateway-event';
import type { JobViews } from '../wire/job-views';
import { delivery, type Delivery } from './delivery';
import { objectionToUrl, type WebhookPolicy } from './address-policy';
import { GaveUp, webhookSender, type WebhookSender } from './sender';
import { messageOf } from '../../streams/workflow/shown-text';

/** Where webhooks are stored, how they are signed, and where they may go. */
export interface WebhookOptions {
  /** The store's hooks, which hold webhooks until they are delivered. */
  readonly hooks: Hooks;
  /** The key of the signatures, at least 24 bytes. */
  readonly secret: Uint8Array;
  /** Host names, or `*.` and a domain, that may have private addresses. */
  readonly hosts: readonly string[];
}

/** Sends webhooks of settled jobs. */
export interface Webhooks {
  /** Why this URL is refused, as the predicate of a sentence about it; `undefined` if it is fine. */
  readonly objectionTo: (url: string) => string | undefined;
  /** Adds a webhook: a job's end is sent to a URL, as the viewer who asked for it may see the job. */
  readonly add: Delivery['add'];
  readonly close: () => Promise<void>;
}

export function webhooksFor(
  pipeline: Pipeline,
  auth: Auth,
  options: WebhookOptions | undefined,
  views: JobViews,
  logger: Log,
  tell: GatewayTelemetry,
): Webhooks {
  if (options === undefined) return none;
  const { hooks, secret } = options;
  // Lower case, as `URL` gives host names.
  const hosts = options.hosts.map((host) => host.toLowerCase());
  const policy: WebhookPolicy = { hosts, allowsLoopback: !auth.required };
  const sender = webhookSender(secret, policy, () => asyncScheduler.now());
  const deliveries = delivery({
    pipeline,
    views,
    hooks,
    send: timedSend(sender.send, tell, logger),
    clock: asyncScheduler,
    random: Math.random,
    report: (where, error) => {
      if (error instanceof GaveUp) tell({ tag: 'webhookEnded', outcome: 'exhausted' });
      logger.warn({ where }, messageOf(error));
    },
  });
  return {
    objectionTo: (url) => objectionToUrl(url, policy),
    add: (job, url, viewer) => deliveries.add(job, url, viewer),
    close: async () => {
      deliveries.close();
      await sender.close();
    },
  };
}

/** Sends, and calls `tell` with how each attempt ended. Logs why the first one failed: the last may be a day off. */
const timedSend =
  (send: WebhookSender['send'], tell: GatewayTelemetry, logger: Log): WebhookSender['send'] =>
  (message) =>
    defer(() => {
      const began = performance.now();
      return send(message).pipe(
        tap((outcome) => {
          const isFirst = (message.attempts ?? 0) === 0;
          tell({ tag: 'webhookTried', outcome: outcome.tag, ms: performance.now() - began });
          if (outcome.tag === 'failed' && isFirst)
            logger.info({ where: 'webhooks' }, `${message.id} is sent again, for a day: ${outcome.reason}`);
          if (outcome.tag !== 'failed' && !isFirst) tell({ tag: 'webhookEnded', outcome: 'recovered' });
        }),
      );
    });

const none: Webhooks = {
  objectionTo: () => 'cannot be told: this gateway has no WEBHOOK_SECRET',
  add: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
