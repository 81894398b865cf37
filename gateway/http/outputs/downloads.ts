import { bounds } from '../../../streams/bounds';
import { Problem } from '../../wire/problem';

/** One download under way. */
export interface Turn {
  /** To be called whenever its reader took something. */
  progressed(): void;
  /** Lets the next one in. */
  over(): void;
}

export interface Downloader {
  /** Whose share it counts in; absent for a service, which has none of its own. */
  readonly userId?: string;
  readonly serverUrl: string;
  /** Ends it for the sake of another, because its reader reads nothing. */
  readonly cut: () => void;
}

export interface DownloadLimits {
  /** 0 for no bound. */
  readonly perUser: number;
  readonly perServer: number;
  readonly waiting: number;
  readonly turnMs: number;
  readonly stallBesideOthersMs: number;
}

export const defaultDownloadLimits: DownloadLimits = {
  perUser: bounds.downloadsPerUser,
  perServer: bounds.downloadsPerServer,
  waiting: bounds.downloadsWaiting,
  turnMs: bounds.turnMs,
  stallBesideOthersMs: bounds.stallBesideOthersMs,
};

/** Who may download now. */
export interface Downloads {
  /**
   * A turn, as soon as the user's and the server's bounds allow. Where they do not, a reader that reads nothing is cut after
   * two seconds. Rejects with `busy` for who waits for too long, or among too many.
   */
  turn(who: Downloader): Promise<Turn>;
}

interface Running extends Downloader {
  progressedAt: number;
}

interface Waiting extends Downloader {
  readonly enter: (turn: Turn) => void;
}

const LOOK_MS = 500;

export function downloads(limits: DownloadLimits, nowMs: () => number = Date.now): Downloads {
  const running = new Set<Running>();
  const waiting = new Set<Waiting>();
  const perUser = limits.perUser === 0 ? Infinity : limits.perUser;

  /** Those who stand in this one's way, if any do. */
  const blocking = ({ userId, serverUrl }: Downloader): readonly Running[] => {
    const all = [...running];
    const users = userId === undefined ? [] : all.filter((each) => each.userId === userId);
    if (users.length >= perUser) return users;
    const servers = all.filter((each) => each.serverUrl === serverUrl);
    return servers.length >= limits.perServer ? servers : [];
  };
  const start = (who: Downloader): Turn => {
    const own: Running = { ...who, progressedAt: nowMs() };
    running.add(own);
    return {
      progressed: () => void (own.progressedAt = nowMs()),
      over: () => {
        if (running.delete(own)) letIn();
      },
    };
  };
  const letIn = (): void => {
    for (const next of [...waiting]) {
      if (blocking(next).length > 0) continue;
      waiting.delete(next);
      next.enter(start(next));
    }
  };
  const cutStalled = (who: Downloader): void => {
    const [slowest] = [...blocking(who)].sort((a, b) => a.progressedAt - b.progressedAt);
    if (slowest !== undefined && nowMs() - slowest.progressedAt >= limits.stallBesideOthersMs) slowest.cut();
  };

  const wait = (who: Downloader): Promise<Turn> =>
    new Promise((resolve, reject) => {
      const look = setInterval(() => cutStalled(own), Math.min(LOOK_MS, limits.stallBesideOthersMs));
      const patience = setTimeout(() => {
        waiting.delete(own);
        clearInterval(look);
        reject(busy());
      }, limits.turnMs);
      const own: Waiting = {
        ...who,
        enter: (turn) => {
          clearInterval(look);
          clearTimeout(patience);
          resolve(turn);
        },
      };
      waiting.add(own);
      cutStalled(own);
    });

  return {
    turn: async (who) => {
      if (blocking(who).length === 0) return start(who);
      const beside = [...waiting].filter(({ userId }) => userId === who.userId);
      if (beside.length >= limits.waiting) throw busy();
      return wait(who);
    },
  };
}

const busy = (): Problem =>
  new Problem('busy', { detail: 'Too many downloads are under way; try again soon.' }, { 'Retry-After': '5' });
