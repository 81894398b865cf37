import { isRecord } from '../options';

/**
 * Whether a text has at most `limit` characters. Counts code points, as JSON Schema does; `length` counts some twice.
 */
export const isWithin = (limit: number, text: string): boolean =>
  text.length <= limit || (text.length <= 2 * limit && Array.from(text).length <= limit);

/** Whether a value is text of 1 to `limit` characters, without control characters and lone surrogates. */
export const isPlain = (limit: number, value: unknown): value is string =>
  typeof value === 'string' && value !== '' && isWithin(limit, value) && !/[\p{Cc}\p{Cs}]/u.test(value);

const SHOWN = 100;
/** A name that a caller chose, cut to 100 characters for an error message. */
export const cut = (name: string): string => (name.length > SHOWN ? `${name.slice(0, SHOWN)}…` : name);

/** What an error says; of anything else that was thrown, its text. */
export const messageOf = (error: unknown): string =>
  isRecord(error) && typeof error['message'] === 'string' ? error['message'] : String(error);
