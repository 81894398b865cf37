import { NEVER, ReplaySubject, Subject, VirtualTimeScheduler } from 'rxjs';
import type { Viewer } from '../../../../gateway/admission/auth/auth';
import { allJobs } from '../../../../gateway/sockets/all-jobs';
import { rooms } from '../../../../gateway/sockets/rooms';
import { sendQueue } from '../../../../gateway/sockets/send-queue';
import { subscriptions } from '../../../../gateway/sockets/subscriptions';
import type { Wire } from '../../../../gateway/sockets/wire';
import { jobViews } from '../../../../gateway/wire/job-views';
import { totalsOf } from '../../../../sinks/listing/job-page';
import type { JobState } from '../../../../streams/job/job-state';
import { aCompletedJob, aRunningJob } from '../../support/a-running-job';

export const ada: Viewer = { userId: 'ada', role: 'user' };
export const bob: Viewer = { userId: 'bob', role: 'user' };

export const state = (seq: number): JobState => aRunningJob('j', seq);
export const end: JobState = aCompletedJob('j', 5);

/** A gateway whose looks at the store end when they are told to; `stored` is what a read finds. */
export function trial(stored: () => Promise<JobState | undefined> = () => Promise.resolve(state(1))) {
  const clock = new VirtualTimeScheduler();
  const room$ = new ReplaySubject<JobState>(1);
  const looks: Subject<JobState>[] = [];
  const noEnds = { jobs: [], totals: totalsOf([]) };
  const pipeline = {
    states$: NEVER,
    live: () => (looks[looks.length] = new Subject()),
    list: () => Promise.resolve(noEnds),
    get: stored,
  };
  const all = allJobs(pipeline, clock);
  const shared = {
    pipeline,
    all,
    rooms: rooms({ watch: () => room$, previews: () => NEVER }),
    views: jobViews(() => []),
  };
  const socket = (viewer: Viewer) => {
    const told: number[] = [];
    const wire: Wire = {
      isDrained: () => true,
      backlogBytes: () => 0,
      states: (jobs) => jobs.forEach(({ seq }) => told.push(seq)),
      end: ({ seq }, heard) => {
        told.push(seq);
        heard(true);
      },
      preview: () => undefined,
      cut: () => undefined,
    };
    const limits = { waitingBytes: 2 ** 20, stallMs: 30_000 };
    const queue = sendQueue(wire, limits, clock, (leave) => leave());
    const follower = { viewer, queue, charge: () => undefined, onBroken: () => undefined };
    return { told, member: subscriptions(shared, follower) };
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const look = async (...found: JobState[]) => {
    found.forEach((each) => looks.at(-1)!.next(each));
    looks.at(-1)!.complete();
    await settle();
  };
  const nextLook = (ms: number) => {
    clock.maxFrames = ms;
    clock.flush();
  };
  return { socket, room$, look, nextLook, settle };
}
