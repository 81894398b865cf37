import { readFileSync, readlinkSync } from 'node:fs';

/**
 * Tells a process from every other that ever ran: by the boot of its kernel, its pid namespace, its pid and its start
 * time.
 */
export interface ProcessIdentity {
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** In clock ticks since boot: the kernel uses a pid again, but not with the same start time. */
  readonly startTime: number;
}

/** This process; `undefined` where there is no Linux `/proc`. */
export const thisProcess = (): ProcessIdentity | undefined =>
  orUndefined(() => {
    const { startTime } = lifeOf(process.pid);
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { bootId, pidNamespace: readlinkSync('/proc/self/ns/pid'), pid: process.pid, startTime };
  });

/** Whether the end of `that` can be seen from `here`: it runs, or ran, in the same boot and the same pid namespace. */
export const runsBeside = (that: ProcessIdentity, here: ProcessIdentity): boolean =>
  that.bootId === here.bootId && that.pidNamespace === here.pidNamespace;

/**
 * Whether that process has certainly ended. `false` for one of another machine or container, of which nothing is
 * certain.
 */
export function isGone(that: ProcessIdentity, here: ProcessIdentity | undefined): boolean {
  if (here === undefined || !runsBeside(that, here)) return false;
  if (!isTaken(that.pid)) return true;
  const life = orUndefined(() => lifeOf(that.pid)); // `undefined` where `/proc` hides other users' processes
  return life !== undefined && (life.startTime !== that.startTime || life.isOver);
}

/** Whether a process has this pid; EPERM means that it belongs to another user. */
function isTaken(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/**
 * From proc(5): after the name, which may hold spaces and brackets, come the state (field 3) and start time (field 22).
 */
function lifeOf(pid: number): { readonly startTime: number; readonly isOver: boolean } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie (Z) has ended: its parent has only not collected its exit status yet.
  return { startTime: Number(fields[19]), isOver: fields[0] === 'Z' || fields[0] === 'X' };
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
