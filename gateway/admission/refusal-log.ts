import type { Log } from '../server/log';

/** Logs refusals that the operator must mend, because the caller cannot understand them; each at most once a minute. */
export interface RefusalLog {
  /** A page of an origin that is not allowed sent a request. */
  origin(origin: string | undefined): void;
  /** A Socket.IO client tried a transport that is not offered. */
  transport(transport: string): void;
}

const MINUTE_MS = 60_000;
/** Most lines a minute: a caller who sends ever new names gets no line for each. */
const MOST_LINES = 20;
const MOST_LENGTH = 200;

export function refusalLog(logger: Log, nowMs: () => number): RefusalLog {
  const told = new Map<string, number>();
  const sparingly = (key: string, tell: () => void): void => {
    const now = nowMs();
    for (const [other, at] of told) if (now - at >= MINUTE_MS) told.delete(other);
    if (told.has(key) || told.size >= MOST_LINES) return;
    told.set(key, now);
    tell();
  };
  return {
    origin(given) {
      const origin = given?.slice(0, MOST_LENGTH);
      sparingly(`origin ${origin}`, () =>
        logger.warn({ origin }, 'refused a page of an origin that ORIGINS does not name; add it there if it is yours'),
      );
    },
    transport(given) {
      const transport = given.slice(0, MOST_LENGTH);
      sparingly(`transport ${transport}`, () =>
        logger.warn(
          { transport },
          "refused a Socket.IO client: only WebSocket is served, so it must be made with transports: ['websocket']",
        ),
      );
    },
  };
}
