/** What the processes of the bench tell each other, and how one asks another. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** The frames of one load: `progress` alone, or `progress_state` snapshots of so many nodes, of so many jobs in turn. */
export interface Load {
  readonly nodes: number | 'progress';
  readonly jobs: number;
  /** Whether each job has a seed of its own, and so a workflow that no other has. */
  readonly seeds?: boolean;
}

export type FeederOrder =
  /** From now on so many jobs are at work that were there before: one that no list holds would be given up as lost. */
  | { readonly tag: 'hold'; readonly clientId: string; readonly jobs: number }
  /** So many frames, as fast as the socket takes them, then a `status` that says so many are queued. */
  | {
      readonly tag: 'flood';
      readonly clientId: string;
      readonly load: Load;
      readonly frames: number;
      readonly end: number;
    }
  /** So many frames a second. */
  | {
      readonly tag: 'pace';
      readonly clientId: string;
      readonly load: Load;
      readonly perSecond: number;
      readonly seconds: number;
      readonly end: number;
    }
  /** The life of each of so many jobs that were posted: its start, steps, an output and its end. */
  | { readonly tag: 'live'; readonly clientId: string; readonly steps: number }
  /** Cuts the socket off. */
  | { readonly tag: 'drop'; readonly clientId: string };

export interface Left {
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** What keeps the process going, by its kind. */
  readonly resources: Readonly<Record<string, number>>;
  /** Warnings of Node so far, of too many listeners say. */
  readonly warnings: number;
}

export interface Fed {
  readonly frames: number;
  readonly seconds: number;
  /** Since then each job had a frame. */
  readonly lastPassAt?: number;
}

export type Way = 'receive' | 'parse' | 'saintno' | 'stable-canvas' | 'ours';

export type ContenderOrder =
  | {
      readonly tag: 'open';
      readonly way: Way;
      readonly url: string;
      readonly clientId: string;
      readonly redis?: string;
      readonly jobs?: number;
    }
  /** From here on CPU time is counted, until so many frames have come, the last a `status` with `end`. */
  | { readonly tag: 'begin'; readonly frames: number; readonly end: number }
  | { readonly tag: 'end' }
  | { readonly tag: 'heap' }
  | { readonly tag: 'submit'; readonly jobs: number }
  | { readonly tag: 'settled' };

export interface Opened {
  readonly gateway?: string;
  readonly takenUpMs?: number;
  readonly takenUpCpuMs?: number;
  readonly heapBytes: number;
}

/** CPU time of the whole process, and how long it took by the clock. */
export interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}

/** Counts frames as they come, or tells when the last of so many was taken in. */
export interface Contender {
  readonly opened: Opened;
  /** Resolves once all frames have come, the last of which is a `status` with `end`. */
  readonly came: (frames: number, end: number) => Promise<void>;
  readonly submit?: (jobs: number) => Promise<readonly string[]>;
  readonly settled?: () => Promise<void>;
}

export type ListenerOrder =
  | { readonly tag: 'join'; readonly url: string; readonly rooms: readonly (readonly string[])[] }
  /** Closes all sockets. */
  | { readonly tag: 'leave' }
  /** What was heard since the last time. */
  | { readonly tag: 'heard' };

export interface Heard {
  readonly states: number;
  /** From the writing of a frame to the state that shows it, ms. */
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
  /** Between two states of one job, ms. */
  readonly gapP99: number;
  readonly gapWorst: number;
  /** Of each job's newest state: how old its frame was as it came, ms, and the stamp of that frame, each the worst of all jobs. */
  readonly newestWorst: number;
  readonly newestStamp: number;
}

/** A process of the bench. */
export interface Process<Order> {
  readonly pid: number;
  readonly ask: <Answer>(order: Order) => Promise<Answer>;
  /** What it says unasked, first of all. */
  readonly first: <Answer>() => Promise<Answer>;
  readonly stop: () => void;
}

interface Orders {
  readonly feeder: FeederOrder;
  readonly contender: ContenderOrder;
  readonly listeners: ListenerOrder;
}

export function started<Name extends keyof Orders>(file: Name): Process<Orders[Name]> {
  const child: ChildProcess = fork(join(__dirname, 'processes', `${file}.js`), [], {
    stdio: 'inherit',
    execArgv: [...process.execArgv, '--expose-gc'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const gone = once(child, 'exit').then(() => {
    throw new Error(`${file} ended`);
  });
  gone.catch(() => undefined);
  const answer = async <Answer>(): Promise<Answer> => {
    const [message] = (await Promise.race([once(child, 'message'), gone])) as [Answer];
    return message;
  };
  return {
    first: answer,
    pid: child.pid ?? 0,
    stop: () => {
      process.off('exit', kill);
      kill();
    },
    ask: <Answer>(order: Orders[Name]) => {
      const answered = answer<Answer>();
      child.send(order);
      return answered;
    },
  };
}

/** Carries out what is asked of this process, one order after the other. */
export function answering(carryOut: (order: never) => Promise<unknown>): void {
  process.on('message', (order) => {
    carryOut(order as never).then(
      (answer) => process.send?.(answer ?? {}),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
  process.once('disconnect', () => process.exit(0));
}

export const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

/** In units of 10 µs, by a clock that all processes share; nine digits for two hours and a half. */
export const stamp = (): number => 100_000_000 + (Math.floor(Number(process.hrtime.bigint() / 10_000n)) % 800_000_000);

/** Ms since a stamp. */
export const sinceMs = (before: number, now = stamp()): number => (now - before) / 100;

export const promptIdOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
