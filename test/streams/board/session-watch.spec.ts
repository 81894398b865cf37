import type { SessionEvent } from '../../../streams/job/job-event';
import {
  advanceSession,
  answered,
  expecting,
  flowing,
  remedy,
  reopening,
  newSession,
  type SessionWatch,
} from '../../../streams/board/session-watch';
import { defaultTiming as timing } from '../../../streams/job/timing';

type Happening = SessionEvent extends infer E ? (E extends SessionEvent ? Omit<E, 'clientId' | 'at'> : never) : never;
const told = (session: SessionWatch, event: Happening, at: number): SessionWatch =>
  advanceSession(session, { clientId: 'c', at, ...event }, timing);

const linked = (at = 0, session = newSession): SessionWatch => told(session, { tag: 'linked' }, at);
/** Open, greeted and at rest. */
const greeted = (at = 0, session = newSession): SessionWatch => told(linked(at, session), { tag: 'heard' }, at);
/** Whether a socket is opened anew, at a server that answers. */
const isDeaf = (session: SessionWatch, jobRuns: boolean, now: number): boolean =>
  remedy(answered(session, now), jobRuns, now) === 'reopen';
/** Open again after the last socket was cut off. */
const trapped = (): SessionWatch => greeted(0, told(greeted(), { tag: 'unlinked', clean: false }, 0));

test('[R7] a socket that is not open is not deaf', () => {
  expect(isDeaf(newSession, true, 1e9)).toBe(false);
  expect(isDeaf(told(linked(), { tag: 'unlinked', clean: true }, 1), true, 1e9)).toBe(false);
});

test('[R7] a socket is greeted with a `status`, or it is deaf', () => {
  expect(isDeaf(linked(), false, timing.deafMs - 1)).toBe(false);
  expect(isDeaf(linked(), false, timing.deafMs)).toBe(true);
  expect(isDeaf(greeted(), false, timing.deafMs)).toBe(false);
});

test('[R7] silence is looked into first: a server that answers nothing is busy, not deaf', () => {
  expect(remedy(greeted(), true, timing.quietMs - 1)).toBe('none');
  expect(remedy(greeted(), true, timing.quietMs)).toBe('ask');
  expect(remedy(answered(greeted(), 0), true, timing.quietMs)).toBe('ask');
  expect(remedy(answered(greeted(), 1), true, timing.quietMs)).toBe('reopen');
});

test('[R7] silence without a running job is no error, however long', () => {
  expect(isDeaf(greeted(), false, 86_400_000)).toBe(false);
});

test('[R7] silence of a running job is bearable for a while', () => {
  expect(isDeaf(greeted(), true, timing.quietMs - 1)).toBe(false);
  expect(isDeaf(greeted(), true, timing.quietMs)).toBe(true);
});

test('[R7] it is bearable for less long where an older socket was cut off and may evict this one', () => {
  expect(isDeaf(trapped(), true, timing.trapQuietMs - 1)).toBe(false);
  expect(isDeaf(trapped(), true, timing.trapQuietMs)).toBe(true);
});

test('[R7] a socket that closed with the handshake sets no trap', () => {
  const reopened = greeted(0, told(greeted(), { tag: 'unlinked', clean: true }, 0));
  expect(reopened.trapPossible).toBe(false);
  expect(isDeaf(reopened, true, timing.trapQuietMs)).toBe(false);
});

test('[R7] a socket that never opened sets no trap', () => {
  expect(told(newSession, { tag: 'unlinked', clean: false }, 0).trapPossible).toBe(false);
});

test.each<Happening>([
  { tag: 'heard' },
  { tag: 'garbled' },
  { tag: 'resumed', nodeId: '1' },
  { tag: 'previewed', mimeType: 'image/png', image: new Uint8Array() },
])('[R7] $tag is a sign of hearing', (event) => {
  const waiting = expecting(greeted(), 5_000);
  expect(isDeaf(waiting, false, 5_000)).toBe(true);
  expect(isDeaf(told(waiting, event, 4_000), false, 5_000)).toBe(false);
});

test('[R7] the earliest that must come counts', () => {
  expect(expecting(expecting(greeted(), 5_000), 9_000).expectBy).toBe(5_000);
});

test('[R7] nothing must come of a socket that is not open', () => {
  expect(expecting(newSession, 5_000).expectBy).toBe(Number.POSITIVE_INFINITY);
});

test('[R7] patience doubles while nothing comes, to an end', () => {
  let session = greeted();
  const patience = Array.from({ length: 6 }, () => {
    session = greeted(0, told(reopening(session, timing), { tag: 'unlinked', clean: true }, 0));
    return session.quietMs;
  });
  expect(patience).toEqual([180_000, 300_000, 300_000, 300_000, 300_000, 300_000]);
});

test('[R7] patience starts anew once frames of a job flow', () => {
  const patient = reopening(reopening(greeted(), timing), timing);
  expect(flowing(patient, 0, timing).quietMs).toBe(timing.quietMs);
  expect(flowing(reopening(trapped(), timing), 0, timing).quietMs).toBe(timing.trapQuietMs);
});

describe('[R7] [R8] in a possible trap twice the longest gap of late is borne', () => {
  /** `quietMs` after frames at these times. */
  const steps = (from: SessionWatch, ats: readonly number[]): readonly number[] => {
    let session = from;
    return ats.map((at) => (session = flowing(session, at, timing)).quietMs);
  };
  test('of frames in pairs, ten seconds apart', () => {
    expect(steps(trapped(), [1, 10_001, 10_020, 20_020, 32_020])).toEqual([5_000, 20_000, 20_000, 20_000, 24_000]);
  });
  test('for a minute after the last one like it, and no longer than without a trap', () => {
    expect(steps(trapped(), [1, 30_001, 55_001, 114_000, 173_999])).toEqual([5_000, 60_000, 60_000, 90_000, 90_000]);
    expect(steps(trapped(), [1, 30_001, 55_001, 57_000, 115_001])).toEqual([5_000, 60_000, 60_000, 60_000, 90_000]);
    expect(steps(trapped(), [1, 6_001, 10_001, 12_001, 66_002])).toEqual([5_000, 12_000, 12_000, 12_000, 90_000]);
    expect(steps(trapped(), [1, 6_001, ...Array.from({ length: 61 }, (_, n) => 7_001 + n * 1_000)]).at(-1)).toBe(5_000);
  });
  test('over the sockets that silence cost before it was known, and of no older trap', () => {
    const silent = reopening(flowing(trapped(), 1, timing), timing);
    const again = greeted(6_000, told(silent, { tag: 'unlinked', clean: true }, 5_500));
    const known = flowing(again, 10_001, timing);
    expect(known.quietMs).toBe(20_000);
    const cut = greeted(12_000, told(known, { tag: 'unlinked', clean: false }, 11_000));
    expect(flowing(cut, 13_000, timing).quietMs).toBe(timing.trapQuietMs);
  });
  test('by no gap from before the clock was set back', () => {
    expect(steps(trapped(), [9_000_000, 9_030_000, 1_000, 1_100]).at(-1)).toBe(timing.trapQuietMs);
  });
});

test('[R7] an asked-for reopening is asked for once', () => {
  expect(isDeaf(reopening(linked(), timing), false, 1e9)).toBe(false);
});
