import { lastValueFrom } from 'rxjs';
import { writeBehind } from '../../../../sinks/writing/queued-writes';
import { aState } from '../../a-state';
import { endTroubles, get, open, start } from '../../../support/redis/troubled-redis';
import { PATIENCE_MS } from '../../../support/until';

afterEach(endTroubles);

describe('[R12] a frozen Redis', () => {
  it('is waited for by what is to be written, and by nobody else', async () => {
    const server = await start();
    const store = open(server.url);
    const writer = writeBehind(store, { report: () => undefined });
    writer.put(aState({ seq: 1 }));
    await lastValueFrom(writer.drain(PATIENCE_MS), { defaultValue: undefined });
    server.pause();
    for (let seq = 2; seq <= 40; seq++) {
      for (let job = 0; job < 200; job++) writer.put(aState({ promptId: `job-${job}`, seq }));
      expect(await lastValueFrom(writer.get('job-1'))).toMatchObject({ seq });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(writer.pending()).toBe(200);
    server.resume();
    await lastValueFrom(writer.drain(PATIENCE_MS), { defaultValue: undefined });
    for (let job = 0; job < 200; job++) expect(await get(store, `job-${job}`)).toMatchObject({ seq: 40 });
    writer.close();
  });
});
