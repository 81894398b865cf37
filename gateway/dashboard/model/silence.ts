import { isSettled } from '../../../streams/job/job-state';
import type { PublicJob } from '../../wire/public-job';

/** A time in which nothing was heard, on the gateway's clock. */
export interface Silence {
  readonly since: number;
  readonly why: string;
}

interface ServerHealth {
  readonly name: string;
  readonly healthy: boolean;
}

/** What this page knows of those between it and ComfyUI. */
export interface Line {
  /** Since when the gateway is not heard; `undefined` while it is. */
  readonly gatewaySilentSince: number | undefined;
  readonly servers: readonly ServerHealth[];
  /** Since when each server that does not answer was seen not to, by name. */
  readonly serverSilentSince: ReadonlyMap<string, number>;
}

/** Since when nothing can be heard of a live job, and why; `undefined` while news would come. */
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
