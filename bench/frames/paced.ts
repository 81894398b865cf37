/** What frames cost that come at a pace, and how old they are when a Socket.IO client has the state they led to. */
import { aContender, type Feeder, type Measured } from './stage';
import { pause, promptIdOf, started, type Fed, type Heard, type ListenerOrder, type Load, type Process } from './talk';

export interface Paced {
  readonly perSecond: number;
  /** Of one core. */
  readonly share: number;
  readonly statesPerSecond: number;
  readonly heard?: Heard;
}

const ROOMS_A_SOCKET = 10;
/**
 * Latency is told of the time between: the heap was just collected and all jobs begin within the same 50 ms, which no
 * server's do; and at the end the last frame of every job waits a tenth of a second for a newer one.
 */
const [BEGUN_MS, ENDS_MS] = [2_500, 1_000];

/** A contender all of whose jobs are followed, ten by one socket, where they are watched. */
async function withListeners(contender: Measured, jobs: number): Promise<Process<ListenerOrder>> {
  const listeners = started('listeners');
  const rooms = Array.from({ length: Math.ceil(jobs / ROOMS_A_SOCKET) }, (_, n) =>
    Array.from({ length: Math.min(ROOMS_A_SOCKET, jobs - n * ROOMS_A_SOCKET) }, (__, k) =>
      promptIdOf(n * ROOMS_A_SOCKET + k),
    ),
  );
  await listeners.ask({ tag: 'join', url: contender.opened.gateway ?? '', rooms });
  return listeners;
}

export async function paced(
  feeder: Feeder,
  load: Load,
  perSecond: number,
  seconds: number,
  isWatched: boolean,
): Promise<Paced> {
  const contender = await aContender(feeder, 'ours', load);
  const listeners = isWatched ? await withListeners(contender, load.jobs) : undefined;
  const feed =
    (forSeconds: number) =>
    (clientId: string, end: number): Promise<Fed> =>
      feeder.ask<Fed>({ tag: 'pace', clientId, load, perSecond, seconds: forSeconds, end });
  await contender.cost(feed(Math.min(5, seconds)), 0);
  await listeners?.ask({ tag: 'heard' });
  const between = async (): Promise<Heard | undefined> => {
    await pause(BEGUN_MS);
    await listeners?.ask({ tag: 'heard' });
    await pause(seconds * 1_000 - BEGUN_MS - ENDS_MS);
    return listeners?.ask<Heard>({ tag: 'heard' });
  };
  const [{ cpuMs, wallMs, frames }, heard] = await Promise.all([contender.cost(feed(seconds), 0), between()]);
  listeners?.stop();
  await contender.stop();
  return {
    perSecond: (frames * 1_000) / wallMs,
    share: cpuMs / wallMs,
    statesPerSecond: ((heard?.states ?? 0) * 1_000) / (seconds * 1_000 - BEGUN_MS - ENDS_MS),
    ...(heard !== undefined && { heard }),
  };
}

export interface Overloaded extends Paced {
  /** Whether the newest frame of every job, or one of its last round, led to a state. */
  readonly isComplete: boolean;
}

/** Frames as fast as the socket takes them, all jobs followed. */
export async function overloaded(feeder: Feeder, load: Load, frames: number): Promise<Overloaded> {
  const contender = await aContender(feeder, 'ours', load);
  const listeners = await withListeners(contender, load.jobs);
  const flood = (many: number) => (clientId: string, end: number) =>
    feeder.ask<Fed>({ tag: 'flood', clientId, load, frames: many, end });
  await contender.cost(flood(Math.ceil(frames / 4)), 0);
  await listeners.ask({ tag: 'heard' });
  const { cpuMs, wallMs, frames: sent, lastPassAt = 0 } = await contender.cost(flood(frames), 0);
  const heard = await listeners.ask<Heard>({ tag: 'heard' });
  listeners.stop();
  await contender.stop();
  return {
    perSecond: (sent * 1_000) / wallMs,
    share: cpuMs / wallMs,
    statesPerSecond: (heard.states * 1_000) / wallMs,
    heard,
    isComplete: heard.newestStamp >= lastPassAt,
  };
}
