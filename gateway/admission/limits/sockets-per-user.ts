import type { Viewer } from '../auth/auth';

/** Counts each user's connections. Services are not counted: one token serves a whole backend. */
export interface SocketsPerUser<Connection> {
  hasRoomFor(viewer: Viewer): boolean;
  add(viewer: Viewer, connection: Connection): void;
  remove(viewer: Viewer, connection: Connection): void;
}

/** Leaves room for `most` connections a user; 0 for no bound. */
export function socketsPerUser<Connection>(most: number): SocketsPerUser<Connection> {
  const connections = new Map<string, Set<Connection>>();
  return {
    hasRoomFor: ({ role, userId }) => most === 0 || role === 'service' || (connections.get(userId)?.size ?? 0) < most,
    add({ role, userId }, connection) {
      if (role === 'user') connections.set(userId, (connections.get(userId) ?? new Set()).add(connection));
    },
    remove({ role, userId }, connection) {
      const own = role === 'user' ? connections.get(userId) : undefined;
      own?.delete(connection);
      if (own?.size === 0) connections.delete(userId);
    },
  };
}
