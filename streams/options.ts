/** Whether a value is an object and no array. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Throws a `TypeError` that names the first unknown option (R18). */
export function refuseUnknown(given: object, known: object, of = ''): void {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) throw new TypeError(`${of}${unknown} is no option`);
}

/** Throws a `TypeError` if the options of a function are no object, or one of them is unknown (R18). */
export function checkOptions(of: string, given: unknown, known: object): void {
  if (!isRecord(given)) throw new TypeError(`${of} needs options, an object`);
  refuseUnknown(given, known, `${of}’s `);
}

/** The longest time of Node's timers, ms (24.8 days): they fire after 1 ms if given a longer one. */
export const MOST_TIMER_MS = 2 ** 31 - 1;

/** What options of one kind must be; `wanted` ends the sentence “… must be”. */
export interface Kind {
  readonly isGood: (value: unknown) => boolean;
  readonly wanted: string;
}

/**
 * The defaults, with the given values in their place, but for `undefined`. Throws a `TypeError` that names a bad
 * option.
 */
export function filled<T extends object>(name: string, defaults: T, given: Partial<T> = {}, kind: Kind): T {
  if (!isRecord(given)) throw new TypeError(`${name} must be an object`);
  refuseUnknown(given, defaults, `${name}.`);
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [field, value] of said)
    if (!kind.isGood(value)) throw new TypeError(`${name}.${field} must be ${kind.wanted}`);
  return { ...defaults, ...Object.fromEntries(said) };
}
