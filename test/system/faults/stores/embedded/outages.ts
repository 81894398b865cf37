import { ASKS_WITHIN_MS } from '../../../verdicts/forgotten';
import type { Trouble } from '../../troubles';

/**
 * What happened, and for each server the spells in which the service could not ask it. With one instance nobody asks
 * while it is away or the link is in trouble; spells with less than `ASKS_WITHIN_MS` between them are one.
 */
export function withOutages(happened: readonly Trouble[]): readonly Trouble[] {
  const servers = new Set(happened.flatMap(({ server }) => server ?? []));
  return [...happened, ...[...servers].flatMap((url) => spellsOf(url, happened))];
}

function spellsOf(url: string, happened: readonly Trouble[]): readonly Trouble[] {
  const troubles = happened.filter(({ server = url }) => server === url).toSorted((a, b) => a.from - b.from);
  return troubles.reduce<readonly Trouble[]>((spells, { from, to }) => {
    const last = spells.at(-1);
    const isOne = last !== undefined && from <= last.to + ASKS_WITHIN_MS;
    const spell: Trouble = {
      what: 'out of reach',
      server: url,
      struck: [],
      from: isOne ? last.from : from,
      to: isOne ? Math.max(last.to, to) : to,
    };
    return isOne ? [...spells.slice(0, -1), spell] : [...spells, spell];
  }, []);
}
