import crypto from 'node:crypto';
import { lastValueFrom, toArray, VirtualTimeScheduler } from 'rxjs';
import { embeddedStore, SWEEP_MS } from '../../../sinks/embedded/embedded-store';
import { lmdbFile } from '../../../sinks/embedded/file/lmdb-file';
import type { StoredWorkflow } from '../../../sinks/codecs/stored-workflow.codec';
import { aState } from '../a-state';
import { until } from '../../support/until';
import { close, directory, freshDirectory, get, list, put, removeDirectory, report, TTL_MS } from './fresh-directory';

beforeEach(freshDirectory);
afterEach(removeDirectory);

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
