import { bounds } from '../../../streams/bounds';
import { Problem } from '../../wire/problem';

/** One download under way. */
export interface Turn {
  /** Call it whenever the reader took bytes. */
  progressed(): void;
  /** Ends the turn; a waiting download may start. */
  over(): void;
}

export interface Downloader {
  /** The user whose bound it counts towards; absent for a service, which only the server's bound holds. */
  readonly userId?: string;
  readonly serverUrl: string;
  /** Ends the download, because its reader reads nothing and another download waits. */
  readonly cut: () => void;
}

/** How many downloads may run at a time, how many of one user may wait, and for how long. */
export interface DownloadLimits {
  /** Downloads of one user at a time; 0 for no bound. */
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

/** Gives out turns to download. */
export interface Downloads {
  /**
   * Resolves with a turn as soon as the user's and the server's bounds allow. While it waits, a running download whose
   * reader has read nothing for `stallBesideOthersMs` (2 s) is cut. Rejects with `busy` after `turnMs` (10 s), and at
   * once if `waiting` (100) downloads of the user wait already.
   */
  turn(who: Downloader): Promise<Turn>;
}

interface Running extends Downloader {
  progressedAt: number;
}

interface Waiting extends Downloader {
  readonly enter: (turn: Turn) => void;
}

/** How often a waiting download looks for a stalled one. */
const LOOK_MS = 500;

class BoundedDownloads implements Downloads {
  readonly #limits: DownloadLimits;
  readonly #nowMs: () => number;
  readonly #running = new Set<Running>();
  readonly #waiting = new Set<Waiting>();

  constructor(limits: DownloadLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  async turn(who: Downloader): Promise<Turn> {
    if (this.#blocking(who).length === 0) return this.#start(who);
    const beside = [...this.#waiting].filter(({ userId }) => userId === who.userId);
    if (beside.length >= this.#limits.waiting) throw busy();
    return this.#wait(who);
  }

  /** The running downloads that fill this one's bound; none if it may start. */
  #blocking({ userId, serverUrl }: Downloader): readonly Running[] {
    const { perUser, perServer } = this.#limits;
    const all = [...this.#running];
    const users = userId === undefined ? [] : all.filter((each) => each.userId === userId);
    if (perUser > 0 && users.length >= perUser) return users;
    const servers = all.filter((each) => each.serverUrl === serverUrl);
    return servers.length >= perServer ? servers : [];
  }

  #start(who: Downloader): Turn {
    const own: Running = { ...who, progressedAt: this.#nowMs() };
    this.#running.add(own);
    return {
      progressed: () => void (own.progressedAt = this.#nowMs()),
      over: () => {
        if (this.#running.delete(own)) this.#letIn();
      },
    };
  }

  #letIn(): void {
    for (const next of [...this.#waiting]) {
      if (this.#blocking(next).length > 0) continue;
      this.#waiting.delete(next);
      next.enter(this.#start(next));
    }
  }

  #wait(who: Downloader): Promise<Turn> {
    const { turnMs, stallBesideOthersMs } = this.#limits;
    return new Promise((resolve, reject) => {
      const look = setInterval(() => this.#cutStalled(own), Math.min(LOOK_MS, stallBesideOthersMs));
      const patience = setTimeout(() => {
        this.#waiting.delete(own);
        clearInterval(look);
        reject(busy());
      }, turnMs);
      const own: Waiting = {
        ...who,
        enter: (turn) => {
          clearInterval(look);
          clearTimeout(patience);
          resolve(turn);
        },
      };
      this.#waiting.add(own);
      this.#cutStalled(own);
    });
  }

  /** Cuts the blocking download whose reader has read nothing for longest, if that is `stallBesideOthersMs` or more. */
  #cutStalled(who: Downloader): void {
    const [slowest] = [...this.#blocking(who)].sort((a, b) => a.progressedAt - b.progressedAt);
    if (slowest === undefined) return;
    if (this.#nowMs() - slowest.progressedAt >= this.#limits.stallBesideOthersMs) slowest.cut();
  }
}

/** Turns of one gateway's downloads. */
export const downloads = (limits: DownloadLimits, nowMs: () => number = Date.now): Downloads =>
  new BoundedDownloads(limits, nowMs);

const busy = (): Problem =>
  new Problem('busy', { detail: 'Too many downloads are under way; try again soon.' }, { 'Retry-After': '5' });
