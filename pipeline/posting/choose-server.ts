import { UnknownServer } from '../api';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import type { BoardView } from '../../streams/board/board';

/** What routing looks at. */
export interface Candidate {
  /** The job types it takes; all where absent. */
  readonly tags?: readonly string[];
  readonly healthy: boolean;
  /** Jobs it has in hand. */
  readonly queue: number;
}

/** Of the servers that take this type, the healthy one with the shortest queue; any of them where none is healthy. */
export function route<S extends Candidate>(servers: readonly S[], type: string): S | undefined {
  const taking = servers.filter(({ tags }) => tags === undefined || tags.includes(type));
  const healthy = taking.filter((server) => server.healthy);
  return [...(healthy.length > 0 ? healthy : taking)].sort((a, b) => a.queue - b.queue)[0];
}

/** The servers of one pipeline, and which of them is to be preferred now. */
export interface Choice {
  readonly servers: readonly ComfyUIServer[];
  readonly of: (url: string) => ComfyUIServer | undefined;
  /** Heard through an open socket, or by an answer since the socket was lost. */
  readonly isHealthy: (server: ComfyUIServer) => boolean;
  /** The one to be preferred for this type. */
  readonly preferred: (type: string) => ComfyUIServer | undefined;
  /** A healthy one other than this. */
  readonly another: (url: string, type: string) => ComfyUIServer | undefined;
  /** The server asked for, else the one to be preferred. Throws `UnknownServer`. */
  readonly asked: (nameOrUrl: string | undefined, type: string) => ComfyUIServer;
}

export function choosing(
  servers: readonly ComfyUIServer[],
  own: (serverUrl: string) => string,
  board: Pick<BoardView, 'session' | 'queueRemaining' | 'countOf'>,
): Choice {
  const isHealthy = ({ url, answeredAt }: ComfyUIServer): boolean => {
    const { open = false, unlinkedAt = 0 } = board.session(own(url)) ?? {};
    return open || (answeredAt() > 0 && answeredAt() >= unlinkedAt);
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
