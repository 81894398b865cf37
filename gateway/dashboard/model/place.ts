import { anyJob, standings, type Wanted } from './wanted';

/** Where in the dashboard one is. It is in the address, so that reload and back keep it. */
export type Place =
  { readonly tag: 'list'; readonly wanted: Wanted } | { readonly tag: 'job'; readonly promptId: string };

/** Reads the part of an address from `#` on. What it does not know is the whole list. */
export function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#/, '').split(/\?(.*)/s);
  const [, id] = /^\/jobs\/([^/]+)$/.exec(path) ?? [];
  const promptId = id === undefined ? undefined : decoded(id);
  if (promptId !== undefined) return { tag: 'job', promptId };
  const fields = new URLSearchParams(query);
  const standing = standings.find((name) => name === fields.get('status')) ?? anyJob.standing;
  const text = (name: string): string => fields.get(name) ?? '';
  return { tag: 'list', wanted: { standing, type: text('type'), user: text('user'), text: text('text') } };
}

export function hashOf(place: Place): string {
  if (place.tag === 'job') return `#/jobs/${encodeURIComponent(place.promptId)}`;
  const { standing, type, user, text } = place.wanted;
  const fields = Object.entries({ status: standing === 'all' ? '' : standing, type, user, text });
  const query = new URLSearchParams(fields.filter(([, value]) => value !== '')).toString();
  return query === '' ? '#/' : `#/?${query}`;
}

const decoded = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
};
