import { readFile } from 'node:fs/promises';
import type { Instance } from '../../test/system/service/instance';

/** What a process has taken: bytes of memory now, and milliseconds of processor time since it began. */
export interface Usage {
  readonly rss: number;
  readonly cpuMs: number;
}
const TICKS_PER_SECOND = 100;

/** As Linux counts. */
export async function usageOf({ pid }: Instance): Promise<Usage> {
  const [status, stat] = await Promise.all(['status', 'stat'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8')));
  const times = stat!.slice(stat!.lastIndexOf(')') + 2).split(' ');
  return {
    rss: Number(/VmRSS:\s+(\d+)/.exec(status!)?.[1]) * 1024,
    cpuMs: ((Number(times[11]) + Number(times[12])) * 1000) / TICKS_PER_SECOND,
  };
}

/** With all that is garbage collected, which takes a while: not while deliveries are timed. */
export async function leanUsageOf(gateway: Instance): Promise<Usage> {
  process.kill(gateway.pid, 'SIGUSR2');
  await new Promise((resolve) => setTimeout(resolve, 2000));
  return usageOf(gateway);
}
