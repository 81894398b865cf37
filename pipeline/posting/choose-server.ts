import type { TimestampProvider } from 'rxjs';
import { UnknownServer } from '../api';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import type { BoardView } from '../../streams/board/board';

/** What the choice of a server depends on. */
export interface Candidate {
  /** The job types that it takes; all by default. */
  readonly tags?: readonly string[];
  readonly healthy: boolean;
  /** How many jobs run or wait there. */
  readonly queue: number;
}

/** The healthy server with the shortest queue, of those that take this type; if none is healthy, any of them counts. */
export function route<S extends Candidate>(servers: readonly S[], type: string): S | undefined {
  const taking = servers.filter(({ tags }) => tags === undefined || tags.includes(type));
  const healthy = taking.filter((server) => server.healthy);
  return [...(healthy.length > 0 ? healthy : taking)].sort((a, b) => a.queue - b.queue)[0];
}

/** The servers of one pipeline, and which of them gets the next job. */
export interface Choice {
  readonly servers: readonly ComfyUIServer[];
  readonly of: (url: string) => ComfyUIServer | undefined;
  /** Whether this instance's socket to it is open, or it has answered a request since that socket closed. */
  readonly isHealthy: (server: ComfyUIServer) => boolean;
  /** The server that `route` finds for this type. */
  readonly preferred: (type: string) => ComfyUIServer | undefined;
  /** A healthy server for this type, other than this one. */
  readonly another: (url: string, type: string) => ComfyUIServer | undefined;
  /** The server of this name or URL, or the preferred one if none is named. Throws `UnknownServer`. */
  readonly asked: (nameOrUrl: string | undefined, type: string) => ComfyUIServer;
}

export function choosing(
  servers: readonly ComfyUIServer[],
  own: (serverUrl: string) => string,
  board: Pick<BoardView, 'session' | 'queueRemaining' | 'countOf'>,
  clock: TimestampProvider,
): Choice {
  const isHealthy = ({ url, answeredAt }: ComfyUIServer): boolean => {
    const { open = false, unlinkedAt = 0 } = board.session(own(url)) ?? {};
    // Closed after now: the clock was set back since. That it answered the last request then has to do.
    return open || (answeredAt() > 0 && (answeredAt() >= unlinkedAt || unlinkedAt > clock.now()));
  };
  const among = (some: readonly ComfyUIServer[], type: string): ComfyUIServer | undefined =>
    route(
      some.map((server) => ({
        ...server,
        healthy: isHealthy(server),
        queue: Math.max(board.queueRemaining(server.url) ?? 0, board.countOf(server.url)),
      })),
      type,
    );
  const preferred = (type: string): ComfyUIServer | undefined => among(servers, type);
  const of = (url: string): ComfyUIServer | undefined => servers.find((server) => server.url === url);
  return {
    servers,
    of,
    isHealthy,
    preferred,
    another: (url, type) =>
      among(
        servers.filter((server) => server.url !== url && isHealthy(server)),
        type,
      ),
    asked: (wanted, type) => {
      const called = servers.find(({ name }) => name === wanted);
      const found = wanted === undefined ? preferred(type) : (called ?? of(wanted.replace(/\/+$/, '')));
      if (found !== undefined) return found;
      throw new UnknownServer(
        wanted === undefined ? `no server takes jobs of the type ${type}` : 'that server is none of this pipeline’s',
      );
    },
  };
}
