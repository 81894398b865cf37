import { UnknownServer, type Pipeline } from '../../../pipeline/api';
import type { Viewer } from '../../admission/auth/auth';

/**
 * Throws `UnknownServer` if a user names a server by anything but its name: a URL is answered as any wrong name is
 * (R13).
 */
export function refuseUrlOfServer(
  { role }: Viewer,
  server: string | undefined,
  pipeline: Pick<Pipeline, 'servers'>,
): void {
  if (role === 'service' || server === undefined || pipeline.servers().some(({ name }) => name === server)) return;
  throw new UnknownServer('no server has that name');
}
