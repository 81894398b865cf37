import { asyncScheduler, filter, lastValueFrom, toArray, type Observable } from 'rxjs';
import { lookUp } from '../../../sources/looks/look-up';
import { jobRoutes, type JobRoutes } from '../../../sources/looks/job-routes';
import { rest, type Rest } from '../../../sources/rest/rest';
import { serverAddress } from '../../../sources/server-address';
import { jobOf, queuedState, watched, type Job, type RunFacts } from '../../../streams/job/job';
import type { BoardEvent } from '../../../streams/board/board';
import { graphOf } from '../../../streams/job/workflow';
import type { ComfyUIStandIn, StandInOptions } from '../../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../../support/comfyui/versions';
import { steps } from '../../support/comfyui/workflows';
import { start, stopAll, submit, until } from '../../support/comfyui/client/comfyui-client';

export const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];
export const NEW = '/api/jobs?status=in_progress,pending';

export interface Asked {
  readonly server: ComfyUIStandIn;
  readonly client: Rest;
  readonly routes: JobRoutes;
  /** Paths asked for since the last call. */
  readonly paths: () => readonly string[];
}

const running: Asked[] = [];

/** Closes all that was asked, once it is sure that nobody was asked for too much. */
export const expectCheapLooks = async () => {
  const asked = running.splice(0);
  // The whole history of a server has crashed clients: nothing may ever ask for it.
  for (const { server } of asked)
    for (const { method, path } of server.requests)
      expect(`${method} ${path}`).not.toMatch(/^GET (\/api)?\/history(\?(?!max_items=)|$)/);
  await Promise.all(asked.map(({ client }) => client.close()));
  await stopAll();
};

/** A server, and what asks it. */
export async function asking(version: ComfyUIVersion, options: Partial<StandInOptions> = {}): Promise<Asked> {
  const server = await start({ version, ...options });
  const client = rest(serverAddress(server.url));
  let seen = 0;
  const asked: Asked = {
    server,
    client,
    routes: jobRoutes(client),
    paths: () => {
      const paths = server.requests.slice(seen).map(({ path }) => path);
      seen = server.requests.length;
      return paths;
    },
  };
  running.push(asked);
  return asked;
}

/** A job that ComfyUI took, its workflow known. */
export const taken = (promptId: string, facts: Partial<RunFacts> = {}): Job => {
  const state = queuedState({ promptId, type: 'image_generation', userId: 'ada', serverUrl: 'http://comfy', at: 0 });
  return { ...jobOf(state, { graph: graphOf(steps()) }), stage: { ...watched(0), ...facts } };
};

/** What looks tell of jobs, without the queue as a whole. */
export const looking = (routes: JobRoutes) => {
  const looked = lookUp(routes, asyncScheduler);
  return (jobs: readonly Job[]): Observable<BoardEvent> => looked(jobs).pipe(filter(({ tag }) => tag !== 'queueSeen'));
};

export const look = (routes: JobRoutes, jobs: readonly Job[]): Promise<readonly BoardEvent[]> =>
  lastValueFrom(looking(routes)(jobs).pipe(toArray()));

export const answer = <T>(value$: Observable<T>): Promise<T> => lastValueFrom(value$);

export const long = () => steps({ steps: 500 });
export const short = () => steps({ steps: 1, secondsPerStep: 0.01 });

/** One job that runs and two that wait. */
export async function three(server: ComfyUIStandIn): Promise<readonly [string, string, string]> {
  const ids = [await submit(server, long()), await submit(server, long()), await submit(server, long())] as const;
  await until(() => server.executions.has(ids[0]));
  return ids;
}
