import { bounds } from '../../streams/bounds';
import { readPython } from '../codecs/python-json';
import { Unread } from './no-answer';

/** Characters of an answer that is read whatever reading took before: in a few milliseconds. */
const SMALL = 128 << 10;
/** The share of the time that reading one server's larger answers may take, and what may be saved up of it, ms. */
const SHARE = 0.1;
const SAVED_MS = 1_000;

/** Reads one server's answers. Throws what `JSON.parse` throws, `TooMuch`, or `Unread` where there is no time for it. */
export type ReadAnswer = (text: string) => unknown;

/**
 * Reads one server's answers, up to `bounds.answerValues` and within its share of the time: one that answers each look
 * with as much as there may be would else keep the event loop from everybody.
 */
export function sparingReader(nowMs: () => number = () => performance.now()): ReadAnswer {
  let [leftMs, at] = [SAVED_MS, nowMs()];
  return (text) => {
    if (text.length <= SMALL) return readPython(text);
    const began = nowMs();
    leftMs = Math.min(SAVED_MS, leftMs + SHARE * (began - at));
    at = began;
    if (leftMs <= 0) throw new Unread('an answer larger than there is time for', true);
    try {
      return readPython(text, bounds.answerValues);
    } finally {
      leftMs -= nowMs() - began;
    }
  };
}
