import { UnknownServer, type Pipeline } from '../../../pipeline/api';
import type { Viewer } from '../../admission/auth/auth';

/** Users know servers by their names; to a URL they get the answer that any wrong name gets (R13). */
export function refuseUrlOfServer(
  { role }: Viewer,
  server: string | undefined,
  pipeline: Pick<Pipeline, 'servers'>,
): void {
  if (role === 'service' || server === undefined || pipeline.servers().some(({ name }) => name === server)) return;
  throw new UnknownServer('no server has that name');
}
