import { JobstreamError } from './jobstream-error';
import type { Token } from './link';
import type { Place } from './place';

const PATIENCE_MS = 15_000;

/** Asks a gateway for URLs of outputs that need no token. */
export const outputUrls =
  ({ url, origin }: Place, token: Token | undefined) =>
  async (promptId: string, n: number): Promise<string> => {
    const given = await (typeof token === 'function' ? token() : token);
    const answer = await fetch(`${url}/jobs/${encodeURIComponent(promptId)}/outputs/${n}/url`, {
      method: 'POST',
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(given !== undefined && { headers: { Authorization: `Bearer ${given}` } }),
    }).catch((cause: unknown) => {
      throw new JobstreamError('no-answer', 'The gateway does not answer.', { cause });
    });
    const body = (await answer.json().catch(() => ({}))) as Readonly<Record<string, unknown>>;
    if (answer.ok && typeof body['url'] === 'string') return urlOf(body['url'], url, origin);
    const kind = /problem:([\w-]+)$/.exec(String(body['type']))?.[1] ?? 'no-answer';
    throw new JobstreamError(kind, String(body['detail'] ?? body['title'] ?? `The gateway answered ${answer.status}.`));
  };

/** A proxy may stand the gateway under a path of which it knows nothing. */
const urlOf = (path: string, url: string, origin: string): string => {
  const base = url.slice(origin.length);
  return base !== '' && path.startsWith(`${base}/`) ? origin + path : url + path;
};
