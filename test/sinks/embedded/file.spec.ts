import { readdirSync, readFileSync, renameSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { StoreUnavailable, UnreadableState, Unstorable } from '../../../sinks/job-store';
import { lmdbFile } from '../../../sinks/embedded/file/lmdb-file';
import { aState } from '../a-state';
import { until } from '../../support/until';
import {
  close,
  directory,
  freshDirectory,
  get,
  list,
  put,
  removeDirectory,
  report,
  reports,
  TTL_MS,
} from './fresh-directory';

beforeEach(freshDirectory);
afterEach(removeDirectory);

describe('its file', () => {
  it('outlives the store', async () => {
    const before = embeddedStore({ directory, report });
    await put(before);
    await close(before);
    const after = embeddedStore({ directory, report });
    expect(await get(after)).toEqual(aState());
    await close(after);
  });

  it('has bytes of workflows by user only', async () => {
    const store = embeddedStore({ directory, report });
    await lastValueFrom(store.put(aState(), { tag: 'whole', prompt: { workflow: '{}' } }));
    await close(store);
    const file = lmdbFile(directory);
    const keys = (await lastValueFrom(file.batches().pipe(toArray()))).flat().map(({ key }) => key);
    expect(keys.filter((key) => key.startsWith('index:bytes:'))).toEqual([expect.not.stringMatching(/@$/)]);
    await close(file);
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
