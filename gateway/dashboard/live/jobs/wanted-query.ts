import { periods, statusesOf, type Wanted } from '../../model/wanted';

/** The parameters of one `GET /jobs`. */
export type Query = Readonly<Record<string, string>>;

/** Every job that has ended. */
export const ENDED: Wanted = {
  standings: ['completed', 'failed', 'cancelled'],
  type: '',
  user: '',
  character: '',
  text: '',
  within: '',
};

/** The jobs to ask for: all live jobs are here already, so without any filter only those that ended. */
const withoutLive = (wanted: Wanted): Wanted =>
  Object.entries(wanted).every(([name, value]) => name === 'standings' || value === '') && wanted.standings.length === 0
    ? ENDED
    : wanted;

/** A name for a query. It does not depend on the time, as `since` does. */
export const nameOf = (wanted: Wanted): string => {
  const { standings, ...fields } = withoutLive(wanted);
  return JSON.stringify([statusesOf(standings), fields]);
};

/** The query that asks the gateway for what is wanted. `now`: by the gateway's clock, ms since 1970. */
export function queryOf(wanted: Wanted, now: number): Query {
  const { standings, type, user, character, text, within } = withoutLive(wanted);
  const statuses = statusesOf(standings);
  const period = periods[within];
  const fields = {
    status: statuses.length === 5 ? '' : statuses.join(','),
    type,
    userId: user.trim(),
    characterId: character.trim(),
    text: text.trim(),
    since: period === undefined ? '' : String(now - period),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}
