import { NEVER, Subject, concat, of } from 'rxjs';
import { TooManyJobs, UnknownServer } from '../../../pipeline/api';
import type { Choice } from '../../../pipeline/posting/choose-server';
import type { Posting } from '../../../pipeline/posting/posting';
import { StoreUnavailable } from '../../../sinks/job-store';
import { jobOf } from '../../../streams/job/job';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../streams/job/a-job';
import { aDesk, REQUEST } from './a-desk';

test('a job is stored, then posted, and is on its way until the board has it', async () => {
  const { submit, done, transit } = aDesk();
  const state = await submit(REQUEST);
  expect(done).toEqual(['write at 0', 'post at 0']);
  expect(state).toMatchObject({ status: 'queued', serverUrl: 'http://one', clientId: 'client', via: 'polling' });
  expect(transit.isEmpty()).toBe(true);
});

test('[R12] a job that the store does not take is posted all the same', async () => {
  const { submit, done, reports, how, transit } = aDesk();
  how.outcome = 'away';
  await submit(REQUEST);
  expect(done).toEqual(['write at 0', 'post at 0 unstored']);
  expect(reports).toEqual([expect.any(StoreUnavailable)]);
  expect(transit.isEmpty()).toBe(true);
});

describe('under a key', () => {
  const once = { ...REQUEST, once: { key: 'k', body: 'digest' } };

  test('a job is posted once it is stored: while the store does not answer it is asked again', async () => {
    const { submit, done, reports, how, pass } = aDesk();
    how.outcome = 'away';
    const submitted = submit(once);
    await pass(2_500);
    expect(done).toEqual(['write at 0', 'write at 1000', 'write at 2000']);
    how.outcome = 'stored';
    await pass(500);
    await submitted;
    expect(done.slice(3)).toEqual(['write at 3000', 'post at 3000']);
    expect(reports).toEqual([1, 2, 3].map(() => expect.any(StoreUnavailable) as unknown));
  });

  test('a job that another instance stored first is not posted', async () => {
    const { submit, done, how, transit } = aDesk();
    how.outcome = 'stale';
    await submit(once);
    expect(done).toEqual(['write at 0']);
    expect(transit.isEmpty()).toBe(true);
  });
});

describe('[R16] what a user may have under way', () => {
  test('counts jobs that are being submitted just now, until the store counts them', async () => {
    const { submit, stored, asked } = aDesk({ limits: { jobs: 2, bytes: 1_000, nodes: 10 } });
    const three = await Promise.allSettled([submit(REQUEST), submit(REQUEST), submit(REQUEST)]);
    expect(three.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(three[2]).toMatchObject({ reason: expect.any(TooManyJobs) as unknown });
    expect(asked).toHaveLength(1);
    await submit({ ...REQUEST, userId: 'bob' });
    await expect(submit(REQUEST)).rejects.toThrow('a user may have 2 unsettled jobs');
    stored.clear();
    await submit(REQUEST);
  });

  test('counts a job once that is stored and that the board does not have yet', async () => {
    const { submit, how, pass, done } = aDesk({ limits: { jobs: 3, bytes: 1_000, nodes: 10 } });
    how.answerMs = 1_000;
    const two: Promise<unknown>[] = [];
    for (const _ of [1, 2]) {
      two.push(submit(REQUEST));
      await pass(100);
    }
    expect(done).toEqual(['write at 0', 'write at 100']);
    two.push(submit(REQUEST));
    await expect(submit(REQUEST)).rejects.toThrow('a user may have 3 unsettled jobs');
    await pass(2_000);
    await Promise.all(two);
  });

  test('counts the nodes of jobs that are being submitted just now', async () => {
    const { submit, how, pass } = aDesk({ limits: { jobs: 10, bytes: 1_000, nodes: 2 } });
    how.answerMs = 1_000;
    const two = [submit(REQUEST), submit(REQUEST)];
    await pass(100);
    await expect(submit(REQUEST)).rejects.toThrow('a user may have 2 nodes in the workflows of unsettled jobs');
    await pass(2_000);
    await Promise.all(two);
  });

  test('[R17] is asked of the store twice for a hundred jobs at once', async () => {
    const { submit, asked, pass } = aDesk({ limits: { jobs: 1_000, bytes: 1e6, nodes: 1_000 } });
    const all = [submit(REQUEST)];
    await Promise.resolve();
    for (let n = 0; n < 99; n++) all.push(submit(REQUEST));
    await pass(1);
    await Promise.all(all);
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  test('leaves room for a later one where an earlier one is refused at the same time', async () => {
    const { submit } = aDesk({ limits: { jobs: 2, bytes: 200, nodes: 10 } });
    const large = { ...REQUEST, extraData: { key: 'k'.repeat(300) } };
    const all = await Promise.allSettled([submit(REQUEST), submit(large), submit(REQUEST)]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  test('counts the bytes of jobs that are being submitted just now, extra data included, but of a user’s only one', async () => {
    const large = { ...REQUEST, extraData: { key: 'k'.repeat(60) } };
    const { submit } = aDesk({ limits: { jobs: 10, bytes: 150, nodes: 10 } });
    const two = await Promise.allSettled([submit(large), submit(large)]);
    expect(two.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(two[1]).toMatchObject({ reason: { bound: 'bytes of stored workflows' } });
    await submit({ ...large, extraData: { key: 'k'.repeat(200) } });
  });

  test('one that was refused leaves room for the next', async () => {
    const { submit, used } = aDesk({ limits: { jobs: 1, bytes: 100, nodes: 10 } });
    used.bytes = 100;
    await expect(submit(REQUEST)).rejects.toThrow(TooManyJobs);
    used.bytes = 0;
    await submit(REQUEST);
  });

  test('is counted here while the store is away', async () => {
    const { submit, here, how, done } = aDesk({ limits: { jobs: 2, bytes: 1_000, nodes: 10 } });
    how.usage = 'away';
    here.jobs = 2;
    await expect(submit(REQUEST)).rejects.toThrow(TooManyJobs);
    here.jobs = 1;
    await submit(REQUEST);
    expect(done).toHaveLength(2);
  });

  test('is a matter of bytes and nodes too; what is too much is neither stored nor posted', async () => {
    const { submit, used, here, done } = aDesk({ limits: { jobs: 10, bytes: 100, nodes: 10 } });
    used.bytes = 99;
    await expect(submit(REQUEST)).rejects.toThrow('bytes of stored workflows');
    used.bytes = 0;
    here.nodes = 10;
    await expect(submit(REQUEST)).rejects.toThrow('nodes in the workflows');
    expect(done).toEqual([]);
  });
});

test('a job’s time and its runs are what its request says, else what its type has and one run', async () => {
  const { submit } = aDesk({ timeoutMs: (type) => (type === 'lora_training' ? undefined : 60_000) });
  expect(await submit({ ...REQUEST, timeoutMs: 5_000 })).toMatchObject({ deadlineAt: 5_000 });
  expect(await submit({ ...REQUEST, onLost: 'resubmit' })).toMatchObject({
    deadlineAt: 60_000,
    retry: { maxAttempts: 3, onLost: 'resubmit' },
  });
  const training = await submit({ ...REQUEST, type: 'lora_training' });
  expect([training.deadlineAt, training.retry]).toEqual([undefined, undefined]);
});

test('[R18] what a caller says of a job is in its first state, and nothing of what was not said', async () => {
  const { submit } = aDesk();
  const said = { characterId: 'c', metadata: { mine: true } };
  expect(await submit({ ...REQUEST, ...said })).toMatchObject(said);
  const state = await submit(REQUEST);
  for (const key of [...Object.keys(said), 'retry', 'deadlineAt']) expect(state).not.toHaveProperty(key);
});

test('no job is stored before its session is this instance’s', async () => {
  const ready$ = new Subject<never>();
  const { submit, done } = aDesk({ sessions: { own: () => 'client', ready: () => ready$ } });
  const submitted = submit(REQUEST);
  await new Promise(setImmediate);
  expect(done).toEqual([]);
  ready$.complete();
  await submitted;
  expect(done).toEqual(['write at 0', 'post at 0']);
});

test('a request for a server that is none of ours spends no key', async () => {
  const asked = (): never => {
    throw new UnknownServer('none of ours');
  };
  const { submit, keys } = aDesk({ choice: { asked } as unknown as Choice });
  await expect(submit({ ...REQUEST, once: { key: 'k', body: 'b' } })).rejects.toThrow(UnknownServer);
  expect(keys.size).toBe(0);
});

test('a job is on its way until the board has taken its first event, however long its post takes', async () => {
  const onItsWay: boolean[] = [];
  const { submit, transit } = aDesk({
    posting: {
      first: (state: JobState) => concat(of({ tag: 'opened', job: jobOf(state) }), NEVER),
    } as unknown as Posting,
    run: (command$) =>
      new Promise((resolve) => {
        command$.subscribe(() => {
          onItsWay.push(!transit.isEmpty());
          resolve();
        });
      }),
  });
  await submit(REQUEST);
  expect([onItsWay, transit.isEmpty()]).toEqual([[true], true]);
});

test('what is answered is the job as it is by then', async () => {
  const now = aState({ status: 'processing', seq: 9 });
  const { submit } = aDesk({ reads: { get: () => Promise.resolve(undefined), present: () => Promise.resolve(now) } });
  expect(await submit(REQUEST)).toBe(now);
});

test.each([undefined, aState({ promptId: 'p', status: 'processing' })])(
  'under a key whose job is being taken up nothing is begun: it is answered as it is (%#)',
  async (known) => {
    const reads = { get: () => Promise.resolve(undefined), present: () => Promise.resolve(known) };
    const { submit, keys, transit, done } = aDesk({ reads, limits: { jobs: 1, bytes: 1_000, nodes: 10 } });
    keys.set('k', JSON.stringify({ promptId: 'p', at: 0, body: 'b' }));
    transit.enter('p');
    for (let n = 0; n < 2; n++)
      expect(await submit({ ...REQUEST, once: { key: 'k', body: 'b' } })).toMatchObject(known ?? { promptId: 'p' });
    expect(done).toEqual([]);
  },
);
