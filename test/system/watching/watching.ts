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

interface Seat {
  readonly socket: Socket;
  /** The present record of each job that has not ended. */
  readonly live: Map<string, Record>;
}

export const sightOf = ({ promptId, epoch, seq, status, progress, via, attempt }: Omit<Sight, 'at'>): Sight => ({
  ...{ promptId, epoch, seq, status, progress, via, attempt },
  at: Date.now(),
});

export function watchersAt(
  url: string,
  name: string,
  renamed: (from: string, to: string) => void = () => undefined,
): Watchers {
  const seats: Seat[] = [];
  const records: Record[] = [];
  let closed = false;

  function seat(): Seat {
    const free = seats.find(({ live }) => live.size < A_SOCKET);
    if (free !== undefined) return free;
    const socket = io(url, {
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: 200,
      reconnectionDelayMax: 500,
    });
    const made: Seat = { socket, live: new Map() };
    seats.push(made);
    socket.on('connect', () => [...made.live.keys()].forEach((promptId) => join(made, promptId)));
    socket.on('job:state', (job: PublicJob) => seen(made, job));
    return made;
  }

  function join(at: Seat, promptId: string): void {
    const record: Record = { by: name, promptId, sights: [] };
    const { id } = at.socket;
    at.live.set(promptId, record);
    at.socket.emit('job:join', promptId, (reply: Reply) => {
      if (at.live.get(promptId) !== record) return;
      if (reply.ok) {
        records.push(record);
        note(at.live, record, reply.job);
      } else if (!closed)
        setTimeout(() => at.socket.id === id && at.live.get(promptId) === record && join(at, promptId), AGAIN_MS);
    });
  }

  function seen({ live }: Seat, job: PublicJob): void {
    const order = job.metadata?.['order'];
    const record = live.get(job.promptId) ?? [...live.values()].find((each) => each.order === order);
    if (record !== undefined) note(live, record, job);
  }

  function note(live: Seat['live'], record: Record, job: PublicJob): void {
    live.delete(record.promptId);
    if (record.promptId !== job.promptId) renamed(record.promptId, job.promptId);
    record.promptId = job.promptId;
    record.order = job.metadata?.['order'];
    record.sights.push(sightOf(job));
    if (!isSettled(job)) live.set(record.promptId, record);
  }

  return {
    watch: (promptId) => {
      const at = seat();
      if (at.socket.connected) join(at, promptId);
      else at.live.set(promptId, { by: name, promptId, sights: [] });
    },
    records,
    close: () => {
      closed = true;
      seats.forEach(({ socket }) => socket.close());
    },
  };
}
