import type { PublicJob } from '../../../../../gateway/wire/public-job';
import type { KnownState } from '../../../watching/watching';

/** A page has at most so many. */
const PAGE = 200;

/** A state as a service is told of it. */
export const knownState = ({ server: _, serverUrl = '', ...state }: PublicJob): KnownState => ({ ...state, serverUrl });

/** All jobs that were submitted at or after `since`, as `GET /jobs` lists them page by page, the newest first. */
export async function listed(url: string, since = 0): Promise<readonly KnownState[]> {
  const states: KnownState[] = [];
  let cursor: string | undefined = '';
  while (cursor !== undefined) {
    const query = new URLSearchParams({ since: `${since}`, limit: `${PAGE}`, ...(cursor !== '' && { cursor }) });
    const answer = await fetch(`${url}/jobs?${query.toString()}`, { signal: AbortSignal.timeout(20_000) });
    if (!answer.ok) throw new Error(`GET /jobs answered ${answer.status}`);
    const page = (await answer.json()) as { readonly jobs: readonly PublicJob[]; readonly cursor?: string };
    states.push(...page.jobs.map(knownState));
    cursor = page.cursor;
  }
  return states;
}
