import type { Logger } from 'pino';
import {
  asyncScheduler,
  fromEventPattern,
  groupBy,
  map,
  mergeMap,
  takeUntil,
  throttleTime,
  type Observable,
} from 'rxjs';
import type { DefaultEventsMap, Server } from 'socket.io';

/** What engine.io says of a handshake that it refuses. */
interface Refusal {
  readonly req?: { readonly headers?: { readonly origin?: unknown } };
  readonly code: number;
  readonly message: string;
}

/** A line in so long of each kind: clients that are refused come again and again. */
const QUIET_MS = 10_000;

/** Logs why clients that cannot connect cannot: what they get to see themselves is hardly ever a word. */
export function tellingRefusals<A extends DefaultEventsMap, B extends DefaultEventsMap, S>(
  io: Server<A, B, DefaultEventsMap, S>,
  closed$: Observable<unknown>,
  logger: Logger,
): void {
  fromEventPattern<Refusal>((hear) => void io.engine.on('connection_error', hear))
    .pipe(
      map(wordsOf),
      groupBy(({ reason }) => reason),
      mergeMap((same$) => same$.pipe(throttleTime(QUIET_MS, asyncScheduler))),
      takeUntil(closed$),
    )
    .subscribe(({ reason, origin }) => logger.warn({ origin }, reason));
}

const TRANSPORT = 0;
const FORBIDDEN = 4;

function wordsOf({ req, code, message }: Refusal): { readonly reason: string; readonly origin?: string } {
  const { origin } = req?.headers ?? {};
  const page = typeof origin === 'string' ? { origin: origin.slice(0, 200) } : {};
  if (code === FORBIDDEN)
    return {
      reason: 'a socket was refused: its page’s origin is not in ORIGINS, or the Host is not this machine',
      ...page,
    };
  if (code === TRANSPORT)
    return { reason: "a client asked for polling: it must set transports: ['websocket']", ...page };
  return { reason: `a socket was refused: ${message}`, ...page };
}
