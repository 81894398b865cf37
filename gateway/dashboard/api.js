/** The gateway answered with an error. `status` 401 wants a token. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const KEPT = 'comfyui-jobstream-token';

/** The token, from the address (`#token=…`, which is then taken out of it) or from earlier in this tab. */
export function currentToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given) {
    keepToken(given);
    history.replaceState(null, '', location.pathname + location.search);
  }
  return sessionStorage.getItem(KEPT) ?? undefined;
}

export const keepToken = (token) => sessionStorage.setItem(KEPT, token);

export const listJobs = (query) => json(`/jobs?${new URLSearchParams(query)}`);

export const cancelJob = (promptId) => json(`${jobPath(promptId)}/cancel`, { method: 'POST' });

/** One output, as a Blob. */
export const outputOf = async (promptId, n) => (await ask(`${jobPath(promptId)}/outputs/${n}`)).blob();

/** The checks of `/readyz`, whether they pass or not. */
export async function health() {
  const answer = await fetch('/readyz', { headers: headers(), signal: AbortSignal.timeout(10_000) });
  return answer.json();
}

const jobPath = (promptId) => `/jobs/${encodeURIComponent(promptId)}`;

const json = async (path, options) => (await ask(path, { signal: AbortSignal.timeout(10_000), ...options })).json();

async function ask(path, options) {
  const answer = await fetch(path, { ...options, headers: headers() });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.detail ?? problem.title ?? `The gateway answered ${answer.status}.`);
}

const headers = () => {
  const token = currentToken();
  return token ? { Authorization: `Bearer ${token}` } : {};
};
