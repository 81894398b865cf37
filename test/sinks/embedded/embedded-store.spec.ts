import { spawn, type ChildProcess } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray, VirtualTimeScheduler } from 'rxjs';
import { embeddedStore, SWEEP_MS } from '../../../sinks/embedded/embedded-store';
import { StoreUnavailable, UnreadableState, Unstorable, type JobStore } from '../../../sinks/job-store';
import { lmdbFile } from '../../../sinks/embedded/file/lmdb-file';
import type { StoredWorkflow } from '../../../sinks/codecs/stored-workflow.codec';
import type { JobState } from '../../../streams/job/job-state';
import { builtScript } from '../../support/programs/built';
import { aState } from '../a-state';
import { until } from '../../support/until';

const TTL_MS = 7_200_000;

let directory: string;
let reports: string[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'jobstream-'));
  reports = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

const report = (where: string, error: unknown) => void reports.push(`${where}: ${String(error)}`);
const put = (store: JobStore, own: Partial<JobState> = {}) => lastValueFrom(store.put(aState(own)));
const get = (store: JobStore, promptId = 'job-1') => lastValueFrom(store.get(promptId));
const list = (store: JobStore) => lastValueFrom(store.live().pipe(toArray()));
const close = (store: Pick<JobStore, 'close'>) => lastValueFrom(store.close(), { defaultValue: undefined });

describe('its file', () => {
  it('outlives the store', async () => {
    const before = embeddedStore({ directory, report });
    await put(before);
    await close(before);
    const after = embeddedStore({ directory, report });
    expect(await get(after)).toEqual(aState());
    await close(after);
  });

  it('is made where it is missing, with the directories above', async () => {
    const store = embeddedStore({ directory: join(directory, 'not.yet', 'there'), report });
    expect(await put(store)).toBe('stored');
    await close(store);
  });

  it('that cannot be opened is said with directory and reason', () => {
    const inTheWay = join(directory, 'file');
    writeFileSync(inTheWay, '');
    const open = () => embeddedStore({ directory: inTheWay, report });
    expect(open).toThrow(StoreUnavailable);
    expect(open).toThrow(`the job store in ${inTheWay} cannot be opened: EEXIST`);
  });

  it.each(['x', 'no database '.repeat(1000)])('that is another program’s is left alone', (content) => {
    writeFileSync(join(directory, 'jobs.lmdb'), content);
    const open = () => embeddedStore({ directory, report });
    expect(open).toThrow(StoreUnavailable);
    expect(open).toThrow('is not an LMDB file');
  });

  it('that was cut off is refused with reason, where something is missing, and ends no process', async () => {
    const path = join(directory, 'jobs.lmdb');
    const store = embeddedStore({ directory, report });
    const metadata = { text: 'x'.repeat(3_000) };
    for (let n = 0; n < 60; n++) await put(store, { promptId: `job-${n}`, metadata });
    await close(store);
    const { size } = statSync(path);
    truncateSync(path, size / 2);
    const open = () => embeddedStore({ directory, report });
    expect(open).toThrow(StoreUnavailable);
    expect(open).toThrow(`the job store in ${directory} cannot be read: MDB_CORRUPTED`);
    truncateSync(path, 100);
    expect(open).toThrow('is not an LMDB file');
  });

  it('of another version, or with pages that cannot be, is refused by name, and ends no process', async () => {
    const path = join(directory, 'jobs.lmdb');
    await close(embeddedStore({ directory, report }));
    const whole = readFileSync(path);
    const open = () => embeddedStore({ directory, report });
    const changed = (at: number, number: number) => {
      const bytes = Buffer.from(whole);
      bytes.writeUInt32LE(number, at);
      writeFileSync(path, bytes);
    };
    changed(28, 9);
    expect(open).toThrow(`${path} is an LMDB file of version 9, and 2 is read here`);
    changed(48, 4_095);
    expect(open).toThrow(`${path} is damaged: its pages cannot have 4095 bytes`);
    writeFileSync(path, whole);
    await close(open());
  });

  it.each(['jobs.lmdb', 'jobs.lmdb-lock'])('that is no regular file is refused by name: %s', (name) => {
    symlinkSync('/dev/null', join(directory, name));
    expect(() => embeddedStore({ directory, report })).toThrow(`${join(directory, name)} is no regular file`);
  });

  it.each([
    ['removed', (path: string) => renameSync(path, `${path}.away`)],
    [
      'replaced',
      (path: string) => {
        renameSync(path, `${path}.away`);
        writeFileSync(path, '');
      },
    ],
  ])('that is %s while in use is an outage until it is back', async (_how, disturb) => {
    const path = join(directory, 'jobs.lmdb');
    const store = embeddedStore({ directory, report });
    await put(store, { seq: 1 });
    disturb(path);
    await until(async () => !(await lastValueFrom(store.healthy())));
    await expect(put(store, { seq: 2 })).rejects.toThrow(`${path} was removed or replaced while in use`);
    await expect(put(store, { seq: 2 })).rejects.toThrow(StoreUnavailable);
    expect(await get(store)).toMatchObject({ seq: 1 });
    renameSync(`${path}.away`, path);
    await until(() => lastValueFrom(store.healthy()));
    expect(await put(store, { seq: 2 })).toBe('stored');
    await close(store);
  });

  it('holds ids of any length that fits, and says so of others', async () => {
    const store = embeddedStore({ directory, report });
    const [fits, tooLong] = ['x'.repeat(1800), 'x'.repeat(5000)];
    expect(await put(store, { promptId: fits })).toBe('stored');
    await expect(put(store, { promptId: tooLong })).rejects.toThrow(Unstorable);
    expect(await get(store, tooLong)).toBeUndefined();
    expect(await lastValueFrom(store.remove(tooLong))).toBe(false);
    await close(store);
  });
});

it('that is temporary has no name while it is used, and leaves nothing behind', async () => {
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = directory;
  const store = embeddedStore({ temporary: true, report });
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  expect(readdirSync(directory)).toEqual([]);
  expect(await put(store)).toBe('stored');
  // Longer than its place would go unnoticed for.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  expect(await put(store, { seq: 2 })).toBe('stored');
  expect(await get(store)).toEqual(aState({ seq: 2 }));
  await close(store);
  expect(readdirSync(directory)).toEqual([]);
});

describe('what is unreadable in it', () => {
  it('is an UnreadableState to get, passed over by list, written over by put, and reported', async () => {
    const file = lmdbFile(directory);
    const entry = { key: 'comfyui:job:job-1', text: '{"promptId":"job-1"}', until: Date.now() + TTL_MS };
    await lastValueFrom(file.transact((txn) => txn.write(entry)));
    await close(file);

    const store = embeddedStore({ directory, report });
    await put(store, { promptId: 'job-2' });
    await expect(get(store)).rejects.toThrow(UnreadableState);
    expect(await list(store)).toMatchObject([{ promptId: 'job-2' }]);
    expect(await put(store)).toBe('stored');
    expect(await get(store)).toEqual(aState());
    const complaint = 'UnreadableState: comfyui:job:job-1 holds no job state: type is missing or wrong';
    expect(reports).toEqual([`embedded list: ${complaint}`, `embedded put: ${complaint}`]);
    await close(store);
  });
});

describe('the time to live', () => {
  /** Virtual time that goes on by so much. */
  const passing = (clock: VirtualTimeScheduler, ms: number) => {
    clock.maxFrames = clock.frame + ms;
    clock.schedule(() => 'now', ms);
    clock.flush();
  };

  it('is 7200 s from the last write', async () => {
    const clock = new VirtualTimeScheduler();
    const store = embeddedStore({ directory, clock, report });
    await put(store, { seq: 1 });
    passing(clock, TTL_MS - 1);
    expect(await put(store, { seq: 2 })).toBe('stored');
    passing(clock, TTL_MS - 1);
    expect(await put(store, { seq: 2 })).toBe('stored');
    passing(clock, TTL_MS - 1);
    expect(await get(store)).toMatchObject({ seq: 2 });
    expect(await list(store)).toHaveLength(1);
    passing(clock, 1);
    expect(await get(store)).toBeUndefined();
    expect(await list(store)).toEqual([]);
    expect(await lastValueFrom(store.remove('job-1'))).toBe(false);
    await close(store);
  });

  it('renewed by no refused write', async () => {
    const clock = new VirtualTimeScheduler();
    const store = embeddedStore({ directory, clock, report });
    await put(store, { seq: 2 });
    passing(clock, TTL_MS - 1);
    expect(await put(store, { seq: 1 })).toBe('stale');
    passing(clock, 1);
    expect(await get(store)).toBeUndefined();
    await close(store);
  });

  it('ends what the state refuses, too', async () => {
    const clock = new VirtualTimeScheduler();
    const store = embeddedStore({ directory, clock, report });
    await put(store, { epoch: 9 });
    passing(clock, TTL_MS);
    expect(await put(store, { epoch: 1 })).toBe('stored');
    await close(store);
  });

  it('of a workflow is six hours from the last write of its job, whether the state was there or not', async () => {
    const clock = new VirtualTimeScheduler();
    const store = embeddedStore({ directory, clock, report });
    const workflow: StoredWorkflow = { tag: 'whole', prompt: { workflow: '{"1":{"class_type":"A","inputs":{}}}' } };
    const kept = () => lastValueFrom(store.workflow('job-1'));
    const own = { userId: 'ada', status: 'processing' } as const;
    await lastValueFrom(store.put(aState(own), workflow));
    const bytes = (await lastValueFrom(store.usage('ada'))).bytes;
    for (let minute = 0; minute < 420; minute += 10) {
      passing(clock, 600_000);
      await put(store, own);
    }
    expect(await kept()).toEqual(workflow);

    passing(clock, TTL_MS);
    await until(async () => {
      passing(clock, SWEEP_MS);
      return (await lastValueFrom(store.usage('ada'))).jobs === 0;
    });
    expect(await kept()).toEqual(workflow);
    await put(store, { ...own, seq: 3 });
    expect(await kept()).toEqual(workflow);
    expect(await lastValueFrom(store.usage('ada'))).toEqual({ jobs: 1, bytes });

    passing(clock, 6 * 3_600_000);
    expect(await kept()).toBeUndefined();
    const file = lmdbFile(directory);
    await until(async () => {
      passing(clock, SWEEP_MS);
      const keys = (await lastValueFrom(file.batches().pipe(toArray()))).flat().map(({ key }) => key);
      return !keys.some((key) => key.includes('job-1'));
    });
    await close(file);
    await close(store);
  });

  it('of a reserved name is a day from its first use, whatever it holds', async () => {
    const clock = new VirtualTimeScheduler();
    const store = embeddedStore({ directory, clock, report });
    const reserve = (text: string) => lastValueFrom(store.reserve('name', text));
    await reserve('first');
    passing(clock, 86_399_999);
    await lastValueFrom(store.amend('name', 'later'), { defaultValue: undefined });
    expect(await reserve('second')).toBe('later');
    passing(clock, 1);
    expect(await reserve('second')).toBe('second');
    await close(store);
  });

  it('frees the file of what has expired, and of nothing else', async () => {
    const clock = new VirtualTimeScheduler();
    const store = embeddedStore({ directory, clock, report });
    await Promise.all(Array.from({ length: 600 }, (_, i) => put(store, { promptId: `old-${i}` })));
    passing(clock, TTL_MS);
    await put(store, { promptId: 'young' });
    const file = lmdbFile(directory);
    const keys = async () => (await lastValueFrom(file.batches().pipe(toArray()))).flat().map(({ key }) => key);
    await until(async () => {
      passing(clock, SWEEP_MS);
      return !(await keys()).some((key) => key.includes('old-'));
    });
    expect(await keys()).toContain('comfyui:job:young');
    expect((await lastValueFrom(store.page({ limit: 1000 }))).totals.processing).toBe(1);
    await close(store);
    await close(file);
  });

  it('keeps its claim on the file through sweeps, whatever its number', async () => {
    const number = jest.spyOn(crypto, 'randomInt').mockImplementation(() => 1);
    const clock = new VirtualTimeScheduler();
    const store = embeddedStore({ directory, clock, report });
    number.mockRestore();
    await lastValueFrom(store.live().pipe(toArray()));
    await put(store, { promptId: 'old' });
    passing(clock, TTL_MS);
    const file = lmdbFile(directory);
    const keys = async () => (await lastValueFrom(file.batches().pipe(toArray()))).flat().map(({ key }) => key);
    await until(async () => {
      passing(clock, SWEEP_MS);
      return !(await keys()).includes('comfyui:job:old');
    });
    expect(await keys()).toContain('claim');
    expect(await put(store, { promptId: 'young' })).toBe('stored');
    await close(store);
    await close(file);
  });

  it('leaves no timer when the store is closed', async () => {
    const clock = new VirtualTimeScheduler();
    const store = embeddedStore({ directory, clock, report });
    expect(clock.actions).toHaveLength(1);
    await close(store);
    expect(clock.actions).toHaveLength(0);
  });
});

describe('processes', () => {
  let writers: ChildProcess[] = [];
  afterEach(async () => {
    await Promise.all(writers.map(killed));
    writers = [];
  });

  /** The newest acknowledged seq of each job, as another process writes them. */
  const writer = (prefix: string, how = '', folder = directory) => {
    const args = [builtScript('test/sinks/embedded/embedded-writer.ts'), folder, prefix, how];
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
  }, 30_000);

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
