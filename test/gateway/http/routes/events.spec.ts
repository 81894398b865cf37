import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { Observable, type Subscriber } from 'rxjs';
import type { Pipeline } from '../../../../pipeline/api';
import type { JobState } from '../../../../streams/job/job-state';
import { aState } from '../../../sinks/a-state';
import { steps } from '../../../support/comfyui/workflows';
import { asking } from '../../support/http/asking';
import { readEvents } from '../../support/http/event-reader';
import { eventually } from '../../../support/until';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled, stateWhere } from '../../support/settled';
import { testAuth, tokenOf } from '../../support/admission/tokens';
import { startGateway, type Gateway } from '../../../../gateway/server/server';
import { openAuth } from '../../../../gateway/admission/auth/auth';

describe('over a real pipeline', () => {
  let gateway: RunningGateway;
  let bearer: Readonly<Record<'ada' | 'bob' | 'service', { Authorization: string }>>;
  beforeAll(async () => {
    gateway = await runningGateway({ auth: testAuth });
    const header = async (token: Promise<string>) => ({ Authorization: `Bearer ${await token}` });
    bearer = {
      ada: await header(tokenOf({ sub: 'ada' })),
      bob: await header(tokenOf({ sub: 'bob' })),
      service: await header(tokenOf({ role: 'service' })),
    };
  });
  afterAll(() => gateway.close());

  /** Jobs go no further than this step until they are let go. */
  const holdAt = (step: number): void => void (gateway.comfy.faults.mostSteps = step);
  afterEach(() => holdAt(Infinity));
  const submit = async (workflow = steps()) => {
    const { promptId } = await gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada' });
    return promptId;
  };
  const order = ({ epoch, seq }: { epoch: number; seq: number }) => `${epoch}:${seq}`;

  test('the present state, then each change, in order; it ends after the settled one', async () => {
    holdAt(10);
    const promptId = await submit(steps({ steps: 20, secondsPerStep: 0.3 }));
    const reader = await readEvents(gateway, promptId, bearer.ada);
    expect(reader.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'private, no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    await eventually(() => expect(reader.jobs.at(-1)?.node?.value).toBeGreaterThan(0));
    holdAt(Infinity);
    expect(await reader.end).toBe(true);
    expect(reader.jobs.length).toBeGreaterThan(2);
    expect(reader.jobs.at(-1)).toMatchObject({ promptId, status: 'completed', progress: 100 });
    expect(reader.ids).toEqual(reader.jobs.map(order));
    expect([...reader.jobs].sort((a, b) => a.epoch - b.epoch || a.seq - b.seq)).toEqual(reader.jobs);
    expect(reader.text()).not.toContain('clientId');
  });

  test('who returns gets only what is newer, and after the end 204, at which a browser stays away', async () => {
    holdAt(20);
    const promptId = await submit(steps({ steps: 60, secondsPerStep: 0.03 }));
    const early = await readEvents(gateway, promptId, bearer.ada);
    await eventually(() => expect(early.jobs.at(-1)?.node?.value).toBeGreaterThan(0));
    early.abort();
    const { seq, epoch } = early.jobs.at(-1)!;
    const late = await readEvents(gateway, promptId, { ...bearer.ada, 'Last-Event-ID': early.ids.at(-1)! });
    holdAt(Infinity);
    await late.end;
    expect(late.jobs.every((job) => job.epoch > epoch || job.seq > seq)).toBe(true);
    expect(late.jobs.at(-1)).toMatchObject({ status: 'completed' });
    const over = await readEvents(gateway, promptId, { ...bearer.ada, 'Last-Event-ID': late.ids.at(-1)! });
    expect([over.status, await over.end, over.text()]).toEqual([204, true, '']);
    const anew = await readEvents(gateway, promptId, bearer.ada);
    expect([await anew.end, anew.ids]).toEqual([true, [late.ids.at(-1)]]);
  });

  test.each(['nonsense', '1', ':', '-1:2', '9'.repeat(40), '1:2:3'])(
    'a Last-Event-ID of %j is as good as none',
    async (id) => {
      const promptId = await submit();
      await settled(gateway.pipeline, promptId);
      const reader = await readEvents(gateway, promptId, { ...bearer.ada, 'Last-Event-ID': id });
      expect([await reader.end, reader.jobs.length]).toEqual([true, 1]);
    },
  );

  test('[R14] another user’s job is answered as none', async () => {
    const promptId = await submit();
    await settled(gateway.pipeline, promptId);
    const answers = [];
    for (const id of [promptId, randomUUID(), 'no id!']) {
      const reader = await readEvents(gateway, encodeURIComponent(id), { ...bearer.bob, 'Last-Event-ID': '9:9' });
      await reader.end;
      const { date: _, ratelimit: __, ...headers } = reader.headers;
      answers.push({ status: reader.status, headers, text: reader.text() });
    }
    expect(answers[0]).toMatchObject({ status: 404 });
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect((await readEvents(gateway, promptId, {})).status).toBe(401);
    const served = await readEvents(gateway, promptId, bearer.service);
    expect([served.status, await served.end]).toEqual([200, true]);
  });

  test('the token’s end is the stream’s', async () => {
    holdAt(5);
    const promptId = await submit();
    const brief = await tokenOf({ sub: 'ada' }, { expires: Math.floor(Date.now() / 1000) + 3 });
    const reader = await readEvents(gateway, promptId, { Authorization: `Bearer ${brief}` });
    expect([reader.status, await reader.end]).toEqual([200, true]);
    expect(reader.jobs.map(({ status }) => status)).not.toContain('completed');
    await gateway.pipeline.cancel(promptId);
    await settled(gateway.pipeline, promptId);
  });

  test('a service’s streams use up nothing of a user of the same name', async () => {
    holdAt(10);
    const promptId = await submit(steps({ steps: 20 }));
    const namesake = { Authorization: `Bearer ${await tokenOf({ sub: 'ada', role: 'service' })}` };
    const of = (count: number, header: { Authorization: string }) =>
      Promise.all(Array.from({ length: count }, () => readEvents(gateway, promptId, header)));
    const services = await of(70, namesake);
    const users = await of(64, bearer.ada);
    expect(new Set([...services, ...users].map(({ status }) => status))).toEqual(new Set([200]));
    services.forEach((reader) => reader.abort());
    await Promise.all(services.map((reader) => reader.end));
    expect((await readEvents(gateway, promptId, bearer.ada)).status).toBe(429);
    holdAt(Infinity);
    await Promise.all(users.map((reader) => reader.end));
  });

  test('HEAD answers without a stream, other methods not at all', async () => {
    const promptId = await submit();
    const head = await asking(gateway)('HEAD', `/jobs/${promptId}/events`, { headers: bearer.ada });
    expect(head).toMatchObject({ status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8' } });
    const post = await asking(gateway)('POST', `/jobs/${promptId}/events`, { headers: bearer.ada });
    expect(post).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
    await settled(gateway.pipeline, promptId);
  });

  test('the closing gateway ends streams at once', async () => {
    const other = await runningGateway({ comfyUI: { faults: { mostSteps: 5 } } });
    const { promptId } = await other.pipeline.submit({ workflow: steps(), type: 'x', userId: 'ada' });
    await stateWhere(other.pipeline, promptId, ({ status }) => status === 'processing');
    const reader = await readEvents(other, promptId);
    const closed = other.close();
    // What is still open when the grace is over breaks.
    expect(await reader.end).toBe(true);
    await closed;
  });
});

describe('over a pipeline that we play', () => {
  const log: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(line) });
  let watchers: Set<Subscriber<JobState>>;
  let gateway: Gateway;
  const job = (own: Partial<JobState> = {}): JobState => aState({ status: 'processing', ...own });

  const open = async (options: Partial<Parameters<typeof startGateway>[0]> = {}): Promise<void> => {
    watchers = new Set();
    log.length = 0;
    const pipeline = {
      servers: () => [],
      get: (promptId: string) => Promise.resolve(promptId === 'gone' ? undefined : job()),
      watch: () =>
        new Observable<JobState>((watcher) => {
          watchers.add(watcher);
          watcher.next(job());
          return () => watchers.delete(watcher);
        }),
      previews$: new Observable(),
      states$: new Observable(),
    } as unknown as Pipeline;
    gateway = await startGateway({ pipeline, host: '127.0.0.1', port: 0, auth: openAuth, logger, ...options });
  };
  afterEach(() => gateway.close());
  const tell = (state: JobState): void => watchers.forEach((watcher) => watcher.next(state));
  const padding = { metadata: { padding: 'x'.repeat(16_000) } };

  test('who goes away is watched for no longer', async () => {
    await open();
    const readers = await Promise.all(Array.from({ length: 50 }, () => readEvents(gateway, 'job-1')));
    // Of one job, fifty readers are one watcher.
    expect(watchers.size).toBe(1);
    readers.forEach((reader) => reader.abort());
    await eventually(() => expect(watchers.size).toBe(0));
  });

  test('for who does not read, the newest state waits and no other; he misses steps, never the newest', async () => {
    await open({ limits: { waitingBytes: 2 ** 20, stallMs: 60_000 } });
    const [slow, quick] = [await readEvents(gateway, 'job-1'), await readEvents(gateway, 'job-1')];
    slow.pause();
    let seq = 10;
    await eventually(async () => {
      for (let n = 0; n < 50; n += 1) tell(job({ seq: (seq += 1), ...padding }));
      await new Promise(setImmediate);
      expect(slow.jobs.length + seq).toBeGreaterThan(1500);
    });
    // One state a job waits, so a reader of one job costs no more than the system's buffers and that.
    await eventually(() => expect(quick.jobs.at(-1)?.seq).toBe(seq));
    expect(log.filter((line) => line.includes('cut an event stream'))).toEqual([]);
    slow.resume();
    await eventually(() => expect(slow.jobs.at(-1)?.seq).toBe(seq));
    expect(slow.jobs.length).toBeLessThan(seq - 10);
    [slow, quick].forEach((reader) => reader.abort());
  });

  test('who reads nothing for too long is cut', async () => {
    await open({ limits: { stallMs: 400 } });
    const [slow, quick] = [await readEvents(gateway, 'job-1'), await readEvents(gateway, 'job-1')];
    slow.pause();
    let seq = 10;
    await eventually(() => {
      for (let n = 0; n < 20; n += 1) tell(job({ seq: (seq += 1), ...padding }));
      expect(log.filter((line) => line.includes('nothing left for 400 ms'))).toHaveLength(1);
      expect(quick.jobs.at(-1)?.seq).toBeGreaterThan(100);
    });
    await eventually(() => expect(watchers.size).toBe(1));
    slow.resume();
    expect(await slow.end).toBe(false);
    quick.abort();
  });

  test('a stream whose watch breaks is broken off, so that its reader returns', async () => {
    await open();
    const reader = await readEvents(gateway, 'job-1');
    watchers.forEach((watcher) => watcher.error(new Error('the store went away')));
    expect(await reader.end).toBe(false);
    await eventually(() => expect(log.join()).toContain('an event stream broke'));
  });

  test('an idle reader hears something, and a user has 64 streams at most', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] });
    try {
      await open({ auth: { required: true, viewerOf: () => Promise.resolve({ userId: 'ann', role: 'user' }) } });
      const readers = await Promise.all(Array.from({ length: 64 }, () => readEvents(gateway, 'job-1')));
      const another = await readEvents(gateway, 'job-1');
      expect(another.status).toBe(429);
      jest.advanceTimersByTime(15_000);
      while (!readers.every((reader) => reader.text().endsWith('\n\n:\n\n'))) await new Promise(setImmediate);
      readers[0]!.abort();
      while (watchers.size > 63) await new Promise(setImmediate);
      readers[0] = await readEvents(gateway, 'job-1');
      expect(readers[0].status).toBe(200);
      readers.forEach((reader) => reader.abort());
    } finally {
      jest.useRealTimers();
    }
  });
});
