import { JobstreamError } from './jobstream-error';
import type { Place } from './place';

const PATIENCE_MS = 5_000;

/**
 * Finds out why no socket opens, which browsers do not say: asks the gateway's `/livez`. Resolves with the most likely
 * reason.
 */
export async function diagnosis({ url, origin, path }: Place, cause: Error): Promise<JobstreamError> {
  const as = (code: string, message: string): JobstreamError => new JobstreamError(code, message, { cause });
  const livez = (mode: 'cors' | 'no-cors'): Promise<Response | undefined> =>
    fetch(`${url}/livez`, { mode, signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => undefined);
  const answer = await livez('cors');
  if (answer === undefined) {
    // `no-cors` succeeds if the gateway answers, even where this page may not read the answer.
    const isThere = (await livez('no-cors')) !== undefined;
    return isThere
      ? as(
          'origin-refused',
          `The gateway at ${url} does not take calls of this page: its ORIGINS must name the page’s.`,
        )
      : as('unreachable', `Nothing answers at ${url}.`);
  }
  const body = ((await answer.json().catch(() => undefined)) ?? {}) as Readonly<Record<string, unknown>>;
  if (answer.ok && body['status'] === 'alive')
    return as(
      'no-websocket',
      `The gateway answers, but no WebSocket opens at ${origin}${path}: a proxy may not pass it.`,
    );
  const { type, detail, title } = body;
  const kind = /^urn:comfyui-jobstream:problem:([\w-]+)$/.exec(String(type))?.[1];
  if (kind === 'not-found') return as('no-gateway', `The gateway does not stand at ${url}: its path is another.`);
  return kind === undefined
    ? as('no-gateway', `What answers at ${url} (status ${answer.status}) is no gateway.`)
    : as(kind, String(detail ?? title));
}
