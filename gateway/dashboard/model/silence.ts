import { isSettled } from '../../../streams/job/job-state';
import type { PublicJob } from '../../wire/public-job';

/** Since when no news can come, ms since 1970 by the gateway's clock, and why. */
export interface Silence {
  readonly since: number;
  readonly why: string;
}

interface ServerHealth {
  readonly name: string;
  readonly healthy: boolean;
}

/** The health of the gateway and the servers, as this page knows it. */
export interface Line {
  /** Since when the gateway does not answer; `undefined` while it does. */
  readonly gatewaySilentSince: number | undefined;
  readonly servers: readonly ServerHealth[];
  /** When this page first saw that a server does not answer, by the server's name. */
  readonly serverSilentSince: ReadonlyMap<string, number>;
}

/** Since when no news of a live job can come, and why; `undefined` while news can come. */
export function silenceOf(
  job: PublicJob,
  { gatewaySilentSince, servers, serverSilentSince }: Line,
): Silence | undefined {
  if (isSettled(job)) return undefined;
  if (gatewaySilentSince !== undefined) {
    return { since: gatewaySilentSince, why: 'the connection to the gateway is lost' };
  }
  if (servers.some(({ name, healthy }) => name === job.server && !healthy)) {
    return {
      since: Math.max(job.silentSince ?? serverSilentSince.get(job.server) ?? job.updatedAt, job.startedAt),
      why: `${job.server} does not answer`,
    };
  }
  if (job.silentSince === undefined) return undefined;
  return { since: job.silentSince, why: `nothing comes from ${job.server}` };
}
