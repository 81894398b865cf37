import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { isGone, thisProcess, type ProcessIdentity } from '../../sinks/process-identity';
import { until } from '../support/until';

const here = thisProcess()!;
const other = (pid: number, startTime = here.startTime): ProcessIdentity => ({ ...here, pid, startTime });

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
  await until(async () => (await readFile(`/proc/${parent.pid}/comm`, 'utf8')) === 'sleep\n');
  const pid = Number(line.toString());
  const child = other(pid, await startTimeOf(pid));
  expect(isGone(child, here)).toBe(false);
  process.kill(pid, 'SIGKILL');
  await until(() => isGone(child, here));
  expect(process.kill(pid, 0)).toBe(true);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
});

async function startTimeOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.replace(/^.*\) /, '').split(' ')[19]);
}
