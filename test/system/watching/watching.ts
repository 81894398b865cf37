import { io, type Socket } from 'socket.io-client';
import type { Reply } from '../../../gateway/wire/protocol';
import type { PublicJob } from '../../../gateway/wire/public-job';
import { isSettled, type JobState } from '../../../streams/job/job-state';

/** A job's state as those who watch it are told. */
export type KnownState = Omit<JobState, 'clientId' | 'session' | 'retry'>;

/** What one watcher saw at one moment. */
export interface Sight extends Pick<
  JobState,
  'promptId' | 'epoch' | 'seq' | 'status' | 'progress' | 'via' | 'attempt'
> {
  readonly at: number;
}

/** All that one watcher saw of one job, from its joining until it left, was cut off, or the job ended. */
export interface Record {
  readonly by: string;
  /** As it is called in the end: an old server gives a job another id after it was joined. */
  promptId: string;
  /** Which of the bench's jobs it is, by its metadata. */
  order?: unknown;
  readonly sights: Sight[];
}

/** Watches jobs at one instance, as browsers do: again and again where the instance goes away and comes back. */
export interface Watchers {
  watch(promptId: string): void;
  readonly records: readonly Record[];
  close(): void;
}

/** A socket may follow 64 jobs at a time. */
const A_SOCKET = 60;
const AGAIN_MS = 500;

export const sightOf = ({ promptId, epoch, seq, status, progress, via, attempt }: Omit<Sight, 'at'>): Sight => ({
  promptId,
  epoch,
  seq,
  status,
  progress,
  via,
  attempt,
  at: Date.now(),
});

/** What all sockets of one name have seen. */
interface Account {
  readonly name: string;
  readonly records: Record[];
  /** Told of each job that got another id. */
  readonly renamed: (from: string, to: string) => void;
}

/** One socket, and the jobs it follows: joined anew after each break, and where the instance does not have them yet. */
class Seat {
  readonly #socket: Socket;
  readonly #account: Account;
  /** The present record of each job that has not ended. */
  readonly #live = new Map<string, Record>();

  constructor(url: string, account: Account) {
    this.#account = account;
    this.#socket = io(url, {
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: 200,
      reconnectionDelayMax: 500,
    });
    this.#socket.on('connect', () => [...this.#live.keys()].forEach((promptId) => this.#join(promptId)));
    this.#socket.on('job:state', (job: PublicJob) => this.#seen(job));
  }

  get isFree(): boolean {
    return this.#live.size < A_SOCKET;
  }

  watch(promptId: string): void {
    if (this.#socket.connected) this.#join(promptId);
    else this.#begin(promptId);
  }

  close(): void {
    this.#socket.close();
  }

  #begin(promptId: string): Record {
    const record: Record = { by: this.#account.name, promptId, sights: [] };
    this.#live.set(promptId, record);
    return record;
  }

  #join(promptId: string): void {
    const record = this.#begin(promptId);
    const { id } = this.#socket;
    const isPresent = (): boolean => this.#live.get(promptId) === record;
    this.#socket.emit('job:join', promptId, (reply: Reply) => {
      if (!isPresent()) return;
      if (reply.ok) {
        this.#account.records.push(record);
        this.#note(record, reply.job);
      } else setTimeout(() => this.#socket.id === id && isPresent() && this.#join(promptId), AGAIN_MS);
    });
  }

  #seen(job: PublicJob): void {
    const order = job.metadata?.['order'];
    const record = this.#live.get(job.promptId) ?? [...this.#live.values()].find((each) => each.order === order);
    if (record !== undefined) this.#note(record, job);
  }

  #note(record: Record, job: PublicJob): void {
    this.#live.delete(record.promptId);
    if (record.promptId !== job.promptId) this.#account.renamed(record.promptId, job.promptId);
    record.promptId = job.promptId;
    record.order = job.metadata?.['order'];
    record.sights.push(sightOf(job));
    if (!isSettled(job)) this.#live.set(record.promptId, record);
  }
}

export function watchersAt(
  url: string,
  name: string,
  renamed: (from: string, to: string) => void = () => undefined,
): Watchers {
  const seats: Seat[] = [];
  const account: Account = { name, records: [], renamed };
  const another = (): Seat => {
    const seat = new Seat(url, account);
    seats.push(seat);
    return seat;
  };
  return {
    watch: (promptId) => (seats.find(({ isFree }) => isFree) ?? another()).watch(promptId),
    records: account.records,
    close: () => seats.forEach((seat) => seat.close()),
  };
}
