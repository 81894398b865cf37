import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The system's promtool; installs Debian's Prometheus where there is none and we may. Rejects with what to do. */
export async function ensurePromtool(): Promise<string> {
  if (await isThere()) return 'promtool';
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    for (const command of [
      ['apt-get', 'update'],
      ['apt-get', 'install', '-y', '--no-install-recommends', 'prometheus'],
    ]) {
      const [program = '', ...args] = [...sudo, ...command];
      await run(program, args, { env });
    }
  } catch (cause) {
    throw new Error(
      'The tests of alerts need promtool, and apt-get could not install Prometheus: install it by hand.',
      {
        cause,
      },
    );
  }
  if (!(await isThere())) throw new Error('The tests of alerts need promtool on the PATH; Debian’s prometheus has it.');
  return 'promtool';
}

const isThere = (): Promise<boolean> =>
  run('promtool', ['--version']).then(
    () => true,
    () => false,
  );
