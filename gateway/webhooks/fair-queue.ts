import { bounds } from '../../streams/bounds';

/** Something to send to a host, on behalf of a user. */
export interface Errand {
  readonly host: string;
  readonly userId: string;
  /** How many attempts failed. */
  readonly attempts: number;
}

/**
 * Errands that wait and are under way, with bounds in all, per host and per user, so that none of these holds up the
 * others.
 */
export interface FairQueue<E extends Errand> {
  /** Queues an errand; `false` if too many wait already, in all or of its host or user. */
  offer(errand: E, now: number): boolean;
  /**
   * Takes the errands whose turn it is, first attempts before repeated ones. Each is under way until `over` is called.
   */
  begin(): readonly E[];
  over(errand: E): void;
  /** Removes and returns the errands that have waited for `waitedMs` or longer. */
  overdue(now: number, waitedMs: number): readonly E[];
  /** How many more errands may wait. */
  room(): number;
}

export interface Shares {
  readonly all: number;
  readonly perHost: number;
  readonly perUser: number;
}

const UNDER_WAY: Shares = {
  all: bounds.webhooks,
  perHost: bounds.webhooksPerHost,
  perUser: bounds.webhooksPerUser,
};
/** 50 errands may wait for each that may be under way: a fast host takes hundreds in a few seconds. */
const WAITING_TIMES = 50;

export function fairQueue<E extends Errand>(most: Shares = UNDER_WAY): FairQueue<E> {
  const waiting = new Map<E, number>();
  const [ofWaiting, underWay] = [counts(), counts()];

  const hasRoom = (among: Counts, { host, userId }: Errand, times: number): boolean =>
    among.all() < most.all * times &&
    among.ofHost(host) < most.perHost * times &&
    among.ofUser(userId) < most.perUser * times;

  const stopWaiting = (errand: E): void => {
    if (waiting.delete(errand)) ofWaiting.add(errand, -1);
  };

  return {
    offer(errand, now) {
      if (!hasRoom(ofWaiting, errand, WAITING_TIMES)) return false;
      waiting.set(errand, now);
      ofWaiting.add(errand, 1);
      return true;
    },
    begin() {
      const byTurn = [...waiting.keys()].sort((a, b) => Math.min(a.attempts, 1) - Math.min(b.attempts, 1));
      return byTurn.filter((errand) => {
        if (!hasRoom(underWay, errand, 1)) return false;
        stopWaiting(errand);
        underWay.add(errand, 1);
        return true;
      });
    },
    over: (errand) => underWay.add(errand, -1),
    overdue(now, waitedMs) {
      const late = [...waiting].filter(([, since]) => now - since >= waitedMs).map(([errand]) => errand);
      late.forEach(stopWaiting);
      return late;
    },
    room: () => most.all * WAITING_TIMES - waiting.size,
  };
}

/** Counts errands in all, by host and by user. */
interface Counts {
  add(errand: Errand, by: 1 | -1): void;
  all(): number;
  ofHost(host: string): number;
  ofUser(userId: string): number;
}

function counts(): Counts {
  const [hosts, users] = [new Map<string, number>(), new Map<string, number>()];
  let all = 0;
  const add = (to: Map<string, number>, key: string, by: number): void => {
    const left = (to.get(key) ?? 0) + by;
    if (left > 0) to.set(key, left);
    else to.delete(key);
  };
  return {
    add({ host, userId }, by) {
      all += by;
      add(hosts, host, by);
      add(users, userId, by);
    },
    all: () => all,
    ofHost: (host) => hosts.get(host) ?? 0,
    ofUser: (userId) => users.get(userId) ?? 0,
  };
}
