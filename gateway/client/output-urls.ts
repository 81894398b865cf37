import { JobstreamError } from './jobstream-error';
import { tokenFrom, type Token } from './link';
import type { Place } from './place';

const PATIENCE_MS = 15_000;

/** Asks a gateway for a signed URL of an output, which needs no token. Rejects with a `JobstreamError`. */
export const outputUrls =
  ({ url, origin }: Place, token: Token | undefined) =>
  async (promptId: string, n: number): Promise<string> => {
    const given = await tokenFrom(token);
    const answer = await fetch(`${url}/jobs/${encodeURIComponent(promptId)}/outputs/${n}/url`, {
      method: 'POST',
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(given !== undefined && { headers: { Authorization: `Bearer ${given}` } }),
    }).catch((cause: unknown) => {
      throw new JobstreamError('no-answer', 'The gateway does not answer.', { cause });
    });
    const body = ((await answer.json().catch(() => undefined)) ?? {}) as Readonly<Record<string, unknown>>;
    if (answer.ok && typeof body['url'] === 'string') return urlOf(body['url'], url, origin);
    throw problemIn(body, answer.status);
  };

/**
 * Adds the path under which we reach the gateway, unless its answer has it: a proxy may take the path off unnoticed.
 */
const urlOf = (path: string, url: string, origin: string): string => {
  const base = url.slice(origin.length);
  return base !== '' && path.startsWith(`${base}/`) ? origin + path : url + path;
};

const problemIn = ({ type, detail, title }: Readonly<Record<string, unknown>>, status: number): JobstreamError => {
  const kind = typeof type === 'string' ? /problem:([\w-]+)$/.exec(type)?.[1] : undefined;
  const words = [detail, title].find((text) => typeof text === 'string') ?? `The gateway answered ${status}.`;
  return new JobstreamError(kind ?? 'no-answer', words);
};
