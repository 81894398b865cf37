import type { Logger } from 'pino';
import { asyncScheduler, defer, tap } from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import type { Hooks } from '../../sinks/webhook-queue';
import type { Auth } from '../admission/auth/auth';
import type { GatewayTelemetry } from '../metrics/gateway-event';
import type { JobViews } from '../wire/job-views';
import { courier, type Courier } from './delivery';
import { objectionToUrl, type WebhookPolicy } from './address-policy';
import { webhookSender, type WebhookSender } from './sender';

export interface WebhookOptions {
  /** Where they are kept until they are delivered. */
  readonly hooks: Hooks;
  /** What they are signed with. */
  readonly secret: Uint8Array;
  /** Hosts that may be inside the network. */
  readonly hosts: readonly string[];
}

/** Telling other servers of settled jobs. */
export interface Webhooks {
  /** What stands against telling this URL, in words that follow its name. */
  readonly objectionTo: (url: string) => string | undefined;
  /** Has the end of a job told to a URL, on behalf of who asked for it. */
  readonly add: Courier['add'];
  readonly close: () => Promise<void>;
}

export function webhooksFor(
  pipeline: Pipeline,
  auth: Auth,
  options: WebhookOptions | undefined,
  views: JobViews,
  logger: Logger,
  tell: GatewayTelemetry,
): Webhooks {
  if (options === undefined) return none;
  const { hooks, secret, hosts } = options;
  const policy: WebhookPolicy = { hosts, allowsLoopback: !auth.required };
  const sender = webhookSender(secret, policy, () => asyncScheduler.now());
  const { add, close } = courier({
    pipeline,
    views,
    hooks,
    send: timedSend(sender.send, tell),
    tell,
    clock: asyncScheduler,
    random: Math.random,
    report: (where, error) => logger.warn({ where }, error instanceof Error ? error.message : String(error)),
  });
  return {
    objectionTo: (url) => objectionToUrl(url, policy),
    add,
    close: async () => {
      close();
      await sender.close();
    },
  };
}

/** Sends, and tells how each attempt ended. */
const timedSend =
  (send: WebhookSender['send'], tell: GatewayTelemetry): WebhookSender['send'] =>
  (message) =>
    defer(() => {
      const began = performance.now();
      return send(message).pipe(
        tap(({ tag: outcome }) => tell({ tag: 'webhookTried', outcome, ms: performance.now() - began })),
      );
    });

const none: Webhooks = {
  objectionTo: () => 'cannot be told: this gateway has no WEBHOOK_SECRET',
  add: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
