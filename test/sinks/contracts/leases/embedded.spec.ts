import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { embeddedStore } from '../../../../sinks/embedded/embedded-store';
import { StoreUnavailable, type JobStore } from '../../../../sinks/job-store';
import { aState } from '../../a-state';
import { leasesContract } from './contract';
import { close, session } from './leases-on-redis';

describe('the embedded store', () => {
  let directory: string;
  let store: JobStore;
  const reports: unknown[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'jobstream-'));
    store = embeddedStore({ directory, report: (_where, error) => reports.push(error) });
  });
  const dispose = async () => {
    await close(store);
    await rm(directory, { recursive: true });
  };

  leasesContract('its leases', () =>
    Promise.resolve({
      leases: store.leases,
      reports,
      listening: () => Promise.resolve(),
      abandon: async ({ clientId, serverUrl }) => {
        await lastValueFrom(store.put(aState({ promptId: `of ${clientId}`, clientId, serverUrl })));
      },
      dispose,
    }),
  );

  it('finds what the process before it left, once: unsettled jobs of whoever watched them', async () => {
    const jobs = [
      { promptId: 'a', clientId: 'c1' },
      { promptId: 'b', clientId: 'c1' },
      { promptId: 'c', clientId: 'c2', session: 'watcher' },
      { promptId: 'd', session: 'tracker' },
      { promptId: 'e', clientId: 'c3', status: 'completed' },
      { promptId: 'f', clientId: 'own' },
      { promptId: 'g' },
    ] as const;
    for (const job of jobs) await lastValueFrom(store.put(aState(job)));
    await lastValueFrom(store.leases.hold({ ...session, clientId: 'own' }));
    const orphans = async () => {
      const { sessions } = await lastValueFrom(store.leases.orphans());
      return sessions.map(({ clientId }) => clientId).sort();
    };
    expect(await orphans()).toEqual(['c1', 'tracker', 'watcher']);
    await lastValueFrom(store.put(aState({ promptId: 'h', clientId: 'c4' })));
    await lastValueFrom(store.leases.hold({ ...session, clientId: 'c1' }));
    expect(await orphans()).toEqual(['tracker', 'watcher']);
    await dispose();
  });

  it('finds them later where the first attempt failed', async () => {
    await lastValueFrom(store.put(aState({ clientId: 'c1' })));
    await close(store);
    await expect(lastValueFrom(store.leases.orphans())).rejects.toThrow(StoreUnavailable);
    await expect(lastValueFrom(store.leases.orphans())).rejects.toThrow(StoreUnavailable);
    await dispose();
  });
});
