/** One line of a report: what was to be reached beside what was. */
export interface Row {
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  /** Absent where it is for information only. */
  readonly isMet?: boolean;
  /** What was measured where that is a length of time, s. A machine's speed decides it, so that no test fails for it. */
  readonly seconds?: number;
}

/** The rows as a table, and whether all that have a target met it. */
export function printed(rows: readonly Row[]): boolean {
  const columns = rows.filter(({ isMet }) => isMet !== undefined);
  const width = (of: (row: Row) => string): number => Math.max(...columns.map((row) => of(row).length));
  const [what, target, measured] = [width((row) => row.what), width((row) => row.target), width((row) => row.measured)];
  for (const row of rows) {
    const { isMet } = row;
    const line =
      isMet === undefined
        ? `${row.what}: ${row.measured}`
        : `${row.what.padEnd(what)}  ${row.target.padStart(target)}  ${row.measured.padStart(measured)}  ${isMet ? 'met' : 'MISSED'}`;
    console.log(`  ${line}`);
  }
  return rows.every(({ isMet = true }) => isMet);
}

/** `part` of `whole` in percent; 100 of nothing. */
export const percent = (part: number, whole: number): number => (whole === 0 ? 100 : (100 * part) / whole);

/** A share that must be at least so many percent. */
export const share = (what: string, least: number, part: number, whole: number): Row => ({
  what,
  target: least === 100 ? '100 %' : `≥ ${least} %`,
  measured: `${percent(part, whole).toFixed(percent(part, whole) === 100 ? 0 : 2)} % (${part} of ${whole})`,
  isMet: whole > 0 && percent(part, whole) >= least,
});

/** A number that must not pass a bound. */
export const atMost = (what: string, most: number, measured: number, unit = ''): Row => ({
  what,
  target: most === 0 ? '0' : `≤ ${most}${unit}`,
  measured: `${Number.isInteger(measured) ? measured : measured.toFixed(2)}${unit}`,
  isMet: measured <= most,
});

export const withinSeconds = (what: string, most: number, seconds: number): Row => ({
  ...atMost(what, most, seconds, ' s'),
  seconds,
});

export const atLeast = (what: string, least: number, measured: number, unit = ''): Row => ({
  what,
  target: `≥ ${least}${unit}`,
  measured: `${measured}${unit}`,
  isMet: measured >= least,
});

export const noted = (what: string, measured: string): Row => ({ what, target: '', measured });
