import { readFileSync, readlinkSync } from 'node:fs';

/** A process, told apart from any other that ever ran: which boot of which kernel, which pid namespace, and which life of the pid. */
export interface ProcessIdentity {
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** In clock ticks since boot: a pid is used again, at another time. */
  readonly startTime: number;
}

/** This process, or `undefined` where there is no Linux `/proc` to tell. */
export const thisProcess = (): ProcessIdentity | undefined =>
  orUndefined(() => {
    const { startTime } = lifeOf(process.pid);
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { bootId, pidNamespace: readlinkSync('/proc/self/ns/pid'), pid: process.pid, startTime };
  });

/** Whether its end would be seen from here: it runs, or ran, under the same kernel and in the same pid namespace. */
export const runsBeside = (that: ProcessIdentity, here: ProcessIdentity): boolean =>
  that.bootId === here.bootId && that.pidNamespace === here.pidNamespace;

/** Whether that process has ended for certain. Of another machine or container, nothing is certain from `here`. */
export function isGone(that: ProcessIdentity, here: ProcessIdentity | undefined): boolean {
  if (here === undefined || !runsBeside(that, here)) return false;
  if (!isTaken(that.pid)) return true;
  const life = orUndefined(() => lifeOf(that.pid)); // `undefined` where `/proc` hides other users' processes
  return life !== undefined && (life.startTime !== that.startTime || life.isOver);
}

/** Whether a process goes by this pid; one of another user may not be signalled, yet is there. */
function isTaken(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** From proc(5): after the name, which may hold spaces and brackets, come the state (field 3) and the start time (field 22). */
function lifeOf(pid: number): { readonly startTime: number; readonly isOver: boolean } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended: only its parent has not asked yet how.
  return { startTime: Number(fields[19]), isOver: fields[0] === 'Z' || fields[0] === 'X' };
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
