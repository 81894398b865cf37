import { isSettled } from '../../../streams/job/job-state';
import type { PublicJob } from '../../wire/public-job';

/** What the gateway may tell of a job beyond its state: its server by name, and since when nothing can be heard of it. */
export type ToldJob = PublicJob & { readonly server?: string; readonly silentSince?: number };

/** A time in which nothing was heard, on the gateway's clock. */
export interface Silence {
  readonly since: number;
  readonly why: string;
}

interface ServerHealth {
  readonly name: string;
  readonly url?: string | undefined;
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
export function silenceOf(job: ToldJob, { gatewaySilentSince, servers, serverSilentSince }: Line): Silence | undefined {
  if (isSettled(job)) return undefined;
  if (gatewaySilentSince !== undefined) {
    return { since: gatewaySilentSince, why: 'the connection to the gateway is lost' };
  }
  const server = serverOf(job, servers);
  const name = serverName(job, servers);
  if (server?.healthy === false) {
    return {
      since: Math.max(job.silentSince ?? serverSilentSince.get(server.name) ?? job.updatedAt, job.startedAt),
      why: `${name} does not answer`,
    };
  }
  if (job.silentSince === undefined) return undefined;
  return { since: job.silentSince, why: `nothing comes from ${name}` };
}

/** The server as people know it. */
export const serverName = (job: ToldJob, servers: readonly ServerHealth[] = []): string =>
  job.server ?? serverOf(job, servers)?.name ?? hostOf(job.serverUrl) ?? 'its server';

function serverOf({ server, serverUrl }: ToldJob, servers: readonly ServerHealth[]): ServerHealth | undefined {
  const host = hostOf(serverUrl);
  return (
    servers.find(
      ({ name, url }) =>
        (server !== undefined && name === server) || (url !== undefined && hostOf(url) === host && host !== undefined),
    ) ??
    servers.find(({ name }) => name === host) ??
    (servers.length === 1 ? servers[0] : undefined)
  );
}

/** Users are not told where servers are. */
const hostOf = (url: string | undefined): string | undefined =>
  url !== undefined && URL.canParse(url) ? new URL(url).host : undefined;
