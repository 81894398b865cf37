import type { Viewer } from '../auth/auth';
import { setsByKey } from '../../../streams/maps/sets-by-key';

/** Counts each user's connections. Services are not counted: one token serves a whole backend. */
export interface SocketsPerUser<Connection> {
  hasRoomFor(viewer: Viewer): boolean;
  add(viewer: Viewer, connection: Connection): void;
  remove(viewer: Viewer, connection: Connection): void;
}

/** Leaves room for `most` connections a user; 0 for no bound. */
export function socketsPerUser<Connection>(most: number): SocketsPerUser<Connection> {
  const connections = setsByKey<string, Connection>();
  return {
    hasRoomFor: ({ role, userId }) => most === 0 || role === 'service' || connections.of(userId).size < most,
    add({ role, userId }, connection) {
      if (role === 'user') connections.add(userId, connection);
    },
    remove({ role, userId }, connection) {
      if (role === 'user') connections.delete(userId, connection);
    },
  };
}
