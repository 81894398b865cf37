/** How a socket ended: never opened, cut off, closed by the server, by us because it was deaf, or for good. */
export type SocketEnd = 'refused' | 'cut_off' | 'closed' | 'deaf' | 'stopped';

/** Called when a server's sockets open and end, and at each of their frames. */
export interface SocketListener {
  /** `gapMs` is the time since the session's socket before it ended; `undefined` for its first. */
  readonly opened: (gapMs: number | undefined) => void;
  readonly ended: (end: SocketEnd, wasOpen: boolean) => void;
  readonly frame: () => void;
  /** A frame could not be read, and was dropped. */
  readonly badFrame: () => void;
}

/** One socket of a session. */
interface SocketLife {
  readonly opened: () => void;
  /** Only the first call after the start of a socket counts. */
  readonly closed: (code: number, asked: 'reopen' | 'stop' | undefined) => void;
}

/** The close code that `ws` gives a socket that was cut off, without a closing handshake. */
export const ABNORMAL = 1006;

/** Watches a session's sockets for a listener; `start` for each of them. */
export function sessionSockets(listener: SocketListener | undefined): { readonly start: () => SocketLife } {
  let endedAt: number | undefined;
  return {
    start: () => {
      let wasOpen = false;
      let isOver = false;
      return {
        opened: () => {
          wasOpen = true;
          listener?.opened(endedAt === undefined ? undefined : performance.now() - endedAt);
        },
        closed: (code, asked) => {
          if (isOver) return;
          isOver = true;
          if (wasOpen) endedAt = performance.now();
          listener?.ended(endOf(code, wasOpen, asked), wasOpen);
        },
      };
    },
  };
}

function endOf(code: number, wasOpen: boolean, asked: 'reopen' | 'stop' | undefined): SocketEnd {
  if (asked !== undefined) return asked === 'stop' ? 'stopped' : 'deaf';
  return !wasOpen ? 'refused' : code === ABNORMAL ? 'cut_off' : 'closed';
}
