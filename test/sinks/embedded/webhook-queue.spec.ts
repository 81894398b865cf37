import { lastValueFrom, VirtualTimeScheduler } from 'rxjs';
import { embeddedHooks } from '../../../sinks/embedded/embedded-webhook-queue';
import { lmdbFile, type LmdbFile } from '../../../sinks/embedded/file/lmdb-file';
import { close, directory, freshDirectory, removeDirectory, report, reports } from './fresh-directory';

beforeEach(freshDirectory);
afterEach(removeDirectory);

/** The hooks of a file, and how many of its entries were read. */
function someHooks(file: LmdbFile) {
  const clock = new VirtualTimeScheduler();
  const reads = { count: 0 };
  const counted =
    (range: LmdbFile['range']): LmdbFile['range'] =>
    (asked) => {
      const entries = range(asked);
      reads.count += entries.length;
      return entries;
    };
  file.range = counted(file.range.bind(file));
  const hooks = embeddedHooks(file, clock, report);
  const pass = (ms: number): void => {
    clock.maxFrames = clock.frame + ms;
    clock.schedule(() => undefined, ms);
    clock.flush();
  };
  const add = (promptId: string, inMs = 0) =>
    lastValueFrom(hooks.add({ promptId, text: `of ${promptId}` }, inMs), { defaultValue: undefined });
  const claim = async (most = 10) => (await lastValueFrom(hooks.claim(most, 60_000))).map(({ promptId }) => promptId);
  return { hooks, add, claim, pass, reads };
}

it('[R17] reads all hooks for the first claim alone, and of an earlier process too', async () => {
  const file = lmdbFile(directory);
  const before = someHooks(file);
  for (let n = 0; n < 600; n++) await before.add(`waits-${n}`, 3_600_000);
  await before.add('due', 1_000);
  const { claim, pass, reads } = someHooks(file);
  expect(await claim()).toEqual([]);
  expect(reads.count).toBe(601);
  pass(1_000);
  expect(await claim()).toEqual(['due']);
  expect(await claim()).toEqual([]);
  pass(3_600_000);
  expect(await claim(100)).toHaveLength(100);
  expect(reads.count).toBe(601);
  await close(file);
});

it('[R15] passes over a hook that another program wrote over, and reports it once', async () => {
  const file = lmdbFile(directory);
  const { add, claim, pass } = someHooks(file);
  for (const promptId of ['a', 'b', 'c']) await add(promptId);
  for (const [promptId, text] of [
    ['a', 'no JSON'],
    ['b', '{"no": "hook"}'],
  ] as const)
    await lastValueFrom(file.transact((txn) => txn.write({ key: `hook:${promptId}`, text, until: 1e15 })));
  expect(await claim()).toEqual(['c']);
  pass(60_000);
  expect(await claim()).toEqual(['c']);
  expect(reports).toEqual(['a', 'b'].map((id) => `embedded webhook: UnreadableHook: hook:${id} holds no webhook`));
  await close(file);
});
