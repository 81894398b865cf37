import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import { lmdbFile } from '../../../sinks/embedded/file/lmdb-file';
import { builtScript } from '../../support/programs/built';
import { until } from '../../support/until';
import { close, directory, freshDirectory, get, list, put, removeDirectory, report } from './fresh-directory';

const WRITER = builtScript('test/sinks/embedded/embedded-writer.ts');

beforeEach(freshDirectory);
afterEach(removeDirectory);

describe('processes', () => {
  let writers: ChildProcess[] = [];
  afterEach(async () => {
    await Promise.all(writers.map(killed));
    writers = [];
  });

  /** The newest acknowledged seq of each job, as another process writes them. */
  const writer = (prefix: string, how = '', folder = directory) => {
    const args = [WRITER, folder, prefix, how];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    writers.push(child);
    const seqs = new Map<string, number>();
    const progress = { child, seqs, writes: 0, complaints: '' };
    let rest = '';
    child.stdout.on('data', (text: Buffer) => {
      const lines = (rest + text.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [promptId = '', seq, outcome] = line.split(' ');
        progress.writes++;
        if (outcome === 'stored') seqs.set(promptId, Math.max(seqs.get(promptId) ?? 0, Number(seq)));
      }
    });
    child.stderr.on('data', (text: Buffer) => (progress.complaints += text.toString()));
    return progress;
  };

  const killed = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  };

  const missing = async (store: JobStore, acknowledged: ReadonlyMap<string, number>) => {
    const lost: string[] = [];
    for (const [promptId, seq] of acknowledged) {
      const state = await get(store, promptId);
      if (state === undefined || state.seq < seq) lost.push(promptId);
    }
    return lost;
  };

  it('that are killed lose nothing that was acknowledged', async () => {
    for (const round of ['a', 'b', 'c']) {
      const { child, seqs, ...progress } = await started(writer(round), 150);
      await killed(child);
      expect(progress.complaints).toBe('');
      const store = embeddedStore({ directory, report });
      expect(seqs.size).toBe(50);
      expect(await missing(store, seqs)).toEqual([]);
      expect(await put(store, { promptId: 'after' })).toBe('stored');
      await close(store);
    }
  });

  it('have a directory to themselves: a second is refused, by name, until the first is gone', async () => {
    const { child } = await started(writer('first-'), 1);
    const open = () => embeddedStore({ directory, report });
    expect(open).toThrow(StoreUnavailable);
    expect(open).toThrow(`the job store in ${directory} is in use by another process (pid ${child.pid})`);
    await killed(child);
    await close(open());
  });

  it('that find it claimed from a container they cannot see wait until that has said nothing for 15 s', async () => {
    const elsewhere = JSON.stringify({ bootId: 'another', pidNamespace: 'pid:[1]', pid: 1, startTime: 1 });
    const claimed = async (agoMs: number) => {
      const file = lmdbFile(directory);
      file.exclusively((txn) => {
        txn.write({ key: 'claim', text: elsewhere, until: 1 });
        txn.write({ key: 'claim:sign-of-life', text: '', until: Date.now() - agoMs });
      });
      await close(file);
    };
    await claimed(5_000);
    expect(() => embeddedStore({ directory, report })).toThrow('in use by another process');
    await claimed(15_001);
    await close(embeddedStore({ directory, report }));
  });

  it('are refused while one of their own pid, in a container they cannot see, still has it open, silent as it is', async () => {
    const elsewhere = { bootId: 'another', pidNamespace: 'pid:[1]', pid: process.pid, startTime: 1 };
    const paused = lmdbFile(directory);
    paused.exclusively((txn) => {
      txn.write({ key: 'claim', text: JSON.stringify(elsewhere), until: 1 });
      txn.write({ key: 'claim:sign-of-life', text: '', until: 1 });
    });
    expect(paused.read('claim')).toBeDefined();
    expect(() => embeddedStore({ directory, report })).toThrow('in use by another process');
    await close(paused);
    await close(embeddedStore({ directory, report }));
  });

  it('[R11] write nothing more once another has taken the directory over', async () => {
    const store = embeddedStore({ directory, report });
    await put(store, { seq: 1 });
    const file = lmdbFile(directory);
    file.exclusively((txn) => txn.write({ key: 'claim', text: '{}', until: 1 }));
    await expect(put(store, { seq: 2 })).rejects.toThrow(StoreUnavailable);
    expect(await get(store)).toMatchObject({ seq: 1 });
    await close(file);
    await close(store);
  });

  it('[R11] hold no session once they may have stood still for longer than others believe that they live', async () => {
    const store = embeddedStore({ directory, report });
    const hold = () => lastValueFrom(store.leases.hold({ clientId: 'c', serverUrl: 'http://comfy' }));
    expect(await hold()).toBe('held');
    const now = Date.now;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + 60_000);
    // Whoever still has the directory says that it lives, and goes on.
    expect(await hold()).toBe('held');
    const file = lmdbFile(directory);
    file.exclusively((txn) => txn.write({ key: 'claim', text: '{}', until: 1 }));
    clock.mockImplementation(() => now() + 120_000);
    await expect(hold()).rejects.toThrow(StoreUnavailable);
    clock.mockRestore();
    await close(file);
    await close(store);
  });

  it('live on where a full disk refuses writes, whether anybody waits for them or not, and hear of it', async () => {
    // In place of a full disk: a file that may not grow past 600 KiB.
    const args = [
      '-c',
      'ulimit -f 600; exec "$0" "$@"',
      process.execPath,
      WRITER,
      directory,
      'unheeding-',
      'unheeding',
    ];
    const child = spawn('bash', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    writers.push(child);
    let refusals = 0;
    child.stdout.on('data', (text: Buffer) => (refusals += text.toString().split('refused').length - 1));
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(refusals).toBe(20);
    const store = embeddedStore({ directory, report });
    expect((await list(store)).length).toBeGreaterThan(20);
    await close(store);
  });

  it('end when they are told to, in the midst of writes', async () => {
    const endings = ['1', '2', '3'].map(async (own) => {
      const { child } = writer('exits-', 'exit', join(directory, own));
      return child.exitCode ?? ((await once(child, 'exit')) as [number])[0];
    });
    expect(await Promise.all(endings)).toEqual([3, 3, 3]);
  });

  it('leave a file that nobody else may read', async () => {
    const own = join(directory, 'own');
    await close(embeddedStore({ directory: own, report }));
    const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect(modeOf(own)).toBe('700');
    expect(['jobs.lmdb', 'jobs.lmdb-lock'].map((name) => modeOf(join(own, name)))).toEqual(['600', '600']);
  });

  async function started<T extends { readonly writes: number }>(progress: T, writes: number): Promise<T> {
    await until(() => progress.writes > writes);
    return progress;
  }
});
