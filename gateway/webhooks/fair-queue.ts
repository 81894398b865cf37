import { bounds } from '../../streams/bounds';

/** Something to be carried to a host, on behalf of a user. */
export interface Errand {
  readonly host: string;
  readonly userId: string;
  /** How often it failed. */
  readonly attempts: number;
}

/** Errands that wait and are under way: in all, to one host and for one user only so many, so that none holds up the others. */
export interface FairQueue<E extends Errand> {
  /** Takes an errand to wait for its turn; `false` where too many of its host or user wait already. */
  offer(errand: E, now: number): boolean;
  /** Those whose turn it is, first attempts before repeated ones; each counts as under way until it is `over`. */
  begin(): readonly E[];
  over(errand: E): void;
  /** Those that have waited for so long in vain; they wait no more. */
  overdue(now: number, waitedMs: number): readonly E[];
  /** How many more may be offered. */
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
/** So many wait for each that may be under way: a host that answers soon gets through hundreds in a few seconds. */
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

/** How many errands there are: in all, by host and by user. */
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
