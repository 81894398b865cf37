import { defer, EMPTY, lastValueFrom, of, throwError, VirtualTimeScheduler } from 'rxjs';
import { pictures } from '../../../pipeline/reads/pictures';
import { StoreUnavailable, Unstorable, type JobStore, type StoredFile } from '../../../sinks/job-store';
import { bounds } from '../../../streams/bounds';
import type { FileOutput } from '../../../streams/job/job-state';

const MIB = 1 << 20;
const output = (filename: string): FileOutput => ({
  nodeId: '2',
  kind: 'images',
  filename,
  subfolder: '',
  type: 'websocket',
});

/** Pictures over a store that is away, or not. */
function kept() {
  const clock = new VirtualTimeScheduler();
  const stored = new Map<string, StoredFile>();
  const reports: string[] = [];
  const so = { isAway: true, refuses: false };
  const store: Pick<JobStore, 'keepFile' | 'file'> = {
    keepFile: (_promptId, name, file) =>
      defer(() => {
        if (so.isAway) return throwError(() => new StoreUnavailable('away'));
        if (so.refuses) return throwError(() => new Unstorable('too much'));
        stored.set(name, file);
        return EMPTY;
      }),
    file: (_promptId, name) => of(stored.get(name)),
  };
  const report = (_where: string, error: unknown) => reports.push(String(error));
  const all = pictures(store, { clock, random: () => 1, report });
  const keep = (filename: string, bytes: Uint8Array): void =>
    all.keep({ promptId: 'p', filename, mimeType: 'image/png', bytes });
  const read = async (filename: string): Promise<Buffer | undefined> => {
    const opened = await all.open('p', output(filename));
    if (opened === undefined) return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of opened.body) chunks.push(Buffer.from(chunk as Uint8Array));
    return Buffer.concat(chunks);
  };
  const pass = (ms: number): void => {
    clock.maxFrames = clock.now() + ms;
    clock.flush();
  };
  return { ...all, keep, read, pass, so, stored, reports };
}

test('[R12] a picture that came while the store was away is there all the same, and stored when it is back', async () => {
  const { keep, read, pass, so, stored, reports } = kept();
  keep('a.png', Uint8Array.of(1, 2, 3));
  pass(60_000);
  expect(await read('a.png')).toEqual(Buffer.of(1, 2, 3));
  expect(reports).toEqual(['StoreUnavailable: away']);
  so.isAway = false;
  pass(60_000);
  expect([...(stored.get('a.png')?.bytes ?? [])]).toEqual([1, 2, 3]);
  expect(await read('a.png')).toEqual(Buffer.of(1, 2, 3));
  expect(await read('b.png')).toBeUndefined();
});

test('[R16] so many bytes wait, and make room when they are stored', () => {
  const { keep, hasRoom, pass, so } = kept();
  for (let n = 0; n < bounds.filesWaitingBytes / MIB; n++) {
    expect(hasRoom(MIB)).toBe(true);
    keep(`${n}.png`, new Uint8Array(MIB));
  }
  expect(hasRoom(1)).toBe(false);
  so.isAway = false;
  pass(60_000);
  expect(hasRoom(bounds.filesWaitingBytes)).toBe(true);
});

test('of two under one name, of two runs of a job, the later one stays', async () => {
  const { keep, read, pass, so, stored, hasRoom } = kept();
  keep('a.png', Uint8Array.of(1));
  keep('a.png', Uint8Array.of(2));
  expect(await read('a.png')).toEqual(Buffer.of(2));
  so.isAway = false;
  pass(60_000);
  expect([...(stored.get('a.png')?.bytes ?? [])]).toEqual([2]);
  expect(hasRoom(bounds.filesWaitingBytes)).toBe(true);
});

test('one that can never be stored is reported once, and waits no longer', async () => {
  const { keep, pass, so, reports, drained$, read } = kept();
  Object.assign(so, { isAway: false, refuses: true });
  keep('a.png', Uint8Array.of(1));
  pass(60_000);
  expect(reports).toEqual(['Unstorable: too much']);
  expect(await read('a.png')).toBeUndefined();
  await lastValueFrom(drained$, { defaultValue: undefined });
});

test('all are stored before it is at its end', async () => {
  const { keep, pass, so, stored, drained$ } = kept();
  keep('a.png', Uint8Array.of(1));
  const drained = lastValueFrom(drained$, { defaultValue: 'drained' });
  so.isAway = false;
  pass(60_000);
  expect(await drained).toBe('drained');
  expect(stored.has('a.png')).toBe(true);
});
