import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { isGone, thisProcess, type ProcessIdentity } from '../../sinks/process-identity';
import { until } from './until';

const here = thisProcess()!;
const other = (pid: number): ProcessIdentity => ({ ...here, pid });

it('is another one for each life of a pid', () => {
  expect(thisProcess()).toEqual(here);
  expect(isGone(here, here)).toBe(false);
  expect(isGone({ ...here, startTime: here.startTime + 1 }, here)).toBe(true);
});

it('of what never was is gone', () => {
  expect(isGone(other(2 ** 22 + 1), here)).toBe(true);
});

it('of another boot or pid namespace is not known to be gone, nor where nothing is known of this one', () => {
  const gone = other(2 ** 22 + 1);
  expect(isGone({ ...gone, bootId: 'another' }, here)).toBe(false);
  expect(isGone({ ...gone, pidNamespace: 'another' }, here)).toBe(false);
  expect(isGone(gone, undefined)).toBe(false);
});

it('of a killed process is gone, even while its parent has not asked how it ended', async () => {
  // The shell becomes a program that asks after no child.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  // Signal 0 still reaches a zombie, whose start time no test can know: its own is read off by another route.
  const isAlive = () => process.kill(pid, 0);
  expect(isAlive()).toBe(true);
  process.kill(pid, 'SIGKILL');
  const startTime = await startTimeOf(pid);
  await until(() => isGone({ ...other(pid), startTime }, here));
  expect(isAlive()).toBe(true);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
});

async function startTimeOf(pid: number): Promise<number> {
  const awk = spawn('awk', ['{ sub(/^.*\\) /, ""); print $20 }', `/proc/${pid}/stat`]);
  const [line] = (await once(awk.stdout, 'data')) as [Buffer];
  return Number(line.toString());
}
