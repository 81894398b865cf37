import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import { steps, twoOutputs } from '../../support/comfyui/workflows';
import { files, idOn, inEarnest, inTheTrap, long, onEach, progressed, short, steppedPast, until } from './scenarios';
import { stateWhere } from './world';

const refuseSockets = { httpStatus: 502, body: '<html>', routes: ['/ws'] };

// The longest first.
test.concurrent(
  '[R4] in earnest, a job that is nowhere is lost after ten seconds, not before',
  inEarnest({}, async ({ run, comfy }) => {
    comfy.faults.mostSteps = 5;
    const [running, waiting] = [await run(long(15)), await run(short())];
    await until(async () => comfy.deleteFromQueue(await idOn(comfy, 1)));
    const deletedAt = Date.now();
    comfy.faults.mostSteps = Infinity;
    await running.end;
    const lost = await waiting.end;
    expect(lost).toMatchObject({ failure: { kind: 'lost' } });
    expect(lost.finishedAt! - deletedAt).toBeGreaterThanOrEqual(10_000);
  }),
);

test.concurrent(
  '[R7] in earnest, a socket in the stale-socket trap is replaced',
  inEarnest({ proxied: true }, async (world) => {
    const job = await inTheTrap(world);
    await job.where(steppedPast(job.states.at(-1)!, 4));
    await world.pipeline.cancel(job.promptId);
    expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' } });
  }),
);

test.concurrent(
  '[R8] in earnest, polling takes over, and asks every three seconds',
  inEarnest({}, async ({ run, comfy, questions }) => {
    const job = await run(long(160));
    await job.where(progressed);
    comfy.faults.status = refuseSockets;
    comfy.dropSockets('abrupt');
    const droppedAt = Date.now();
    await job.where(({ via }) => via === 'polling');
    expect(await job.end).toMatchObject({ status: 'completed', via: 'polling' });
    // And a few for its end, soon one after the other.
    expect(questions().length).toBeLessThan((Date.now() - droppedAt) / 3_000 + 6);
  }),
);

test.concurrent(
  '[R8] in earnest, a healthy job of ten seconds costs no question',
  inEarnest({}, async ({ run, questions, comfy }) => {
    expect(await (await run(long(200))).end).toMatchObject({ status: 'completed' });
    expect([questions(), comfy.requests.length]).toEqual([[], 1]);
  }),
);

test.concurrent(
  'a socket that is gone for a second, and comes back',
  onEach({}, async ({ run, comfy, questions }) => {
    comfy.faults.mostSteps = 20;
    const job = await run(long(60));
    await job.where(progressed);
    comfy.faults.status = refuseSockets;
    comfy.dropSockets('abrupt');
    const droppedAt = Date.now();
    await until(() => comfy.sockets() === 0);
    await sleep(1_000);
    comfy.faults.status = undefined;
    await until(() => comfy.sockets() === 1);
    const awayMs = Date.now() - droppedAt;
    comfy.faults.mostSteps = Infinity;
    await job.where(steppedPast(job.states.at(-1)!));
    expect(await job.end).toMatchObject({ status: 'completed', via: 'websocket' });
    expect(files(await job.end)).toEqual([['4', 'images', 'output']]);
    // R8: polls of two questions in that second, one look after it (R6), one for the outputs.
    expect(questions().length).toBeLessThan((2 * awayMs) / 300 + 8);
  }),
);

test.concurrent(
  '[R8] a socket that never comes back: polling sees the end',
  onEach({}, async ({ run, comfy, questions }) => {
    comfy.faults.mostSteps = 20;
    const job = await run(long());
    await job.where(progressed);
    comfy.faults.status = refuseSockets;
    comfy.dropSockets('abrupt');
    expect(await job.where(({ via }) => via === 'polling')).toMatchObject({ status: 'processing' });
    comfy.faults.mostSteps = Infinity;
    expect(await job.end).toMatchObject({ status: 'completed', via: 'polling', progress: 100 });
    expect(files(await job.end)).toEqual([['4', 'images', 'output']]);
    expect(questions().every((question) => /^GET (\/api\/jobs|\/queue$|\/history\/.)/.test(question))).toBe(true);
  }),
);

test.concurrent(
  '[R8] a socket that was never there: from queued to the end by polling',
  onEach({ comfyUI: { faults: { status: refuseSockets } } }, async ({ run, comfy, pipeline }) => {
    comfy.faults.mostSteps = 10;
    const job = await run(long(20));
    expect(pipeline.servers()).toMatchObject([{ healthy: true, via: 'polling' }]);
    await job.where(({ status }) => status === 'processing');
    comfy.faults.mostSteps = Infinity;
    expect(await job.end).toMatchObject({ status: 'completed', via: 'polling' });
  }),
);

test.concurrent(
  '[R7] a socket in the stale-socket trap: the old one’s end evicts the new one, which is replaced',
  onEach({ proxied: true }, async (world) => {
    const job = await inTheTrap(world);
    // In the trap the new one hears nothing: what comes now comes over a third.
    expect(await job.where(steppedPast(job.states.at(-1)!, 4))).toMatchObject({ status: 'processing' });
    await world.pipeline.cancel(job.promptId);
    expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' }, via: 'websocket' });
  }),
);

test.concurrent(
  '[R7] a socket that is open and deaf from the start',
  onEach({ comfyUI: { faults: { deaf: true } } }, async ({ run, comfy }) => {
    comfy.faults.mostSteps = 5;
    const job = await run(long(80));
    expect(await job.where(({ status }) => status === 'processing')).toMatchObject({ progress: 0 });
    comfy.faults.deaf = false;
    comfy.faults.mostSteps = Infinity;
    await job.where(progressed);
    expect(await job.end).toMatchObject({ status: 'completed', via: 'websocket' });
  }),
);

test.concurrent(
  '[R3] a socket that was gone between two outputs: both come from history, once it is written',
  onEach({ comfyUI: { faults: { historyDelayMs: 700 } } }, async ({ run, comfy, questions, reports }) => {
    const workflow = twoOutputs();
    const slow = { ...workflow['5']!, inputs: { ...workflow['5']!.inputs, steps: 40 } };
    // Only the second node that counts has more of them.
    comfy.faults.mostSteps = 20;
    const job = await run({ ...workflow, '5': slow });
    await job.where(({ node }) => node?.id === '5');
    comfy.dropSockets('abrupt');
    comfy.faults.mostSteps = Infinity;
    const end = await job.end;
    expect(end.status).toBe('completed');
    expect(files(end)).toEqual([
      ['4', 'images', 'output'],
      ['6', 'images', 'temp'],
    ]);
    expect(questions().some((question) => /^GET (\/history|\/api\/jobs)\/[^?]+$/.test(question))).toBe(true);
    expect(new Set(reports.map(([where]) => where))).toEqual(new Set(['socket']));
  }),
);

test.concurrent(
  '[R9] a socket with frames that cannot be read in between',
  onEach({ comfyUI: { faults: { malformedFrames: true } } }, async ({ run, comfy, reports }) => {
    comfy.faults.mostSteps = 3;
    const job = await run(twoOutputs());
    await job.where(({ progress, via }) => progress > 0 && via === 'websocket');
    comfy.faults.mostSteps = Infinity;
    const end = await job.end;
    expect(files(end)).toEqual([
      ['4', 'images', 'output'],
      ['6', 'images', 'temp'],
    ]);
    expect(reports).not.toEqual([]);
    expect(new Set(reports.map(([where]) => where))).toEqual(new Set(['frame']));
  }),
);

test.concurrent(
  '[R4] a server that was restarted has lost the job: never completed, lost after three good looks',
  onEach({}, async ({ run, comfy }) => {
    const [running, waiting] = [await run(long(200)), await run(short())];
    await running.where(progressed);
    await comfy.restart();
    for (const job of [running, waiting]) {
      expect(await job.end).toMatchObject({ status: 'failed', failure: { kind: 'lost', retryable: true } });
      expect(job.states.map(({ status }) => status)).not.toContain('completed');
    }
  }),
);

test.concurrent(
  '[R4] a server behind a proxy’s error page for longer than it takes to be lost: the job ends as it did',
  onEach({}, async ({ run, comfy, reports }) => {
    comfy.faults.mostSteps = 10;
    const [ended, going] = [await run(long(20)), await run(long(60))];
    await ended.where(progressed);
    comfy.faults.status = { httpStatus: 502, body: '<html>Bad Gateway</html>' };
    comfy.dropSockets('abrupt');
    comfy.faults.mostSteps = Infinity;
    await until(() => comfy.executions.size === 2);
    await until(() => reports.filter(([where]) => where === 'look').length >= 4);
    await sleep(1_200);
    expect([ended.states.at(-1)!.status, going.states.at(-1)!.status]).toEqual(['processing', 'queued']);
    comfy.faults.status = undefined;
    expect(await ended.end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4' }] });
    expect(await going.end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4' }] });
  }),
);

test.concurrent(
  'a server that is busy for longer than a socket may be silent',
  onEach({ comfyUI: { timeScale: 1 }, timing: { quietMs: 500 } }, async ({ run, comfy }) => {
    const job = await run(steps({ steps: 40, secondsPerStep: 0.1 }));
    await job.where(progressed);
    comfy.faults.busy(2);
    expect(await job.end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4' }] });
  }),
);

test.concurrent(
  '[R8] a server with many jobs in hand is asked once a poll, however many there are',
  onEach({ comfyUI: { faults: { status: refuseSockets } } }, async ({ run, pipeline, questions }) => {
    const jobs = await Promise.all(Array.from({ length: 15 }, () => run(long(2_000))));
    const positions = () => jobs.map(({ states }) => states.at(-1)?.queuePosition ?? 0).sort((a, b) => a - b);
    await until(() => positions().every((position, n) => position === n));
    const [before, from] = [questions().length, Date.now()];
    await until(() => questions().length >= before + 4);
    // Each of the fifteen asked for would make it no time at all.
    expect(Date.now() - from).toBeGreaterThan(300);
    await Promise.all(jobs.map(({ promptId }) => pipeline.cancel(promptId)));
    for (const job of jobs) expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' } });
  }),
);

test.concurrent(
  'a server that ended and came back with its queue: what ran is lost, what waited runs, what comes meanwhile waits',
  onEach({}, async ({ run, comfy, pipeline }) => {
    const [running, waiting] = [await run(long(200)), await run(twoOutputs())];
    await running.where(progressed);
    await comfy.kill();
    const workflow = short();
    const meanwhile = pipeline.submit({ type: 'image_generation', userId: 'ada', workflow });
    await stateWhere(pipeline, ({ promptId }) => promptId !== running.promptId && promptId !== waiting.promptId);
    await comfy.start();
    expect(await running.end).toMatchObject({ status: 'failed', failure: { kind: 'lost' } });
    expect(files(await waiting.end)).toHaveLength(2);
    expect(await lastValueFrom(pipeline.watch((await meanwhile).promptId))).toMatchObject({ status: 'completed' });
    expect(comfy.executions.size).toBe(3);
  }),
);
