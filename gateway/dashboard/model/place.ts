import { anyJob, periods, standings, type Wanted } from './wanted';

/** A place in the dashboard. The address holds it, so that reload and back return to it. */
export type Place =
  { readonly tag: 'list'; readonly wanted: Wanted } | { readonly tag: 'job'; readonly promptId: string };

/** Reads the part of an address from `#` on. An unknown one means the whole list. */
export function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#/, '').split(/\?(.*)/s);
  const [, id] = /^\/jobs\/([^/]+)$/.exec(path) ?? [];
  const promptId = id === undefined ? undefined : decoded(id);
  if (promptId !== undefined) return { tag: 'job', promptId };
  const fields = new URLSearchParams(query);
  const text = (name: string): string => fields.get(name) ?? '';
  const chosen = text('status').split(',');
  return {
    tag: 'list',
    wanted: {
      ...anyJob,
      standings: standings.filter((standing) => chosen.includes(standing)),
      type: text('type'),
      user: text('user'),
      character: text('character'),
      text: text('text'),
      within: Object.hasOwn(periods, text('within')) ? text('within') : '',
    },
  };
}

export function hashOf(place: Place): string {
  if (place.tag === 'job') return `#/jobs/${encodeURIComponent(place.promptId)}`;
  const { standings: chosen, type, user, character, text, within } = place.wanted;
  const status = standings.filter((standing) => chosen.includes(standing)).join(',');
  const fields = Object.entries({ status, type, user, character, text, within }).filter(([, value]) => value !== '');
  const query = new URLSearchParams(fields).toString().replaceAll('%2C', ',');
  return query === '' ? '#/' : `#/?${query}`;
}

/** Decodes a part of an address; `undefined` if it is malformed. */
export const decoded = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
};
