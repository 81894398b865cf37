import { filter, firstValueFrom } from 'rxjs';
import { start, stopAll, submit } from '../../support/comfyui/client/comfyui-client';
import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { tcpProxy } from '../../support/network/tcp-proxy';
import { hurriedClock } from '../../support/pipeline/hurried-clock';
import { anInstance, closeAll } from '../../support/pipeline/pipelines';
import { aStore } from '../../support/pipeline/stores';
import { until } from '../../support/until';

afterAll(async () => {
  await closeAll();
  await stopAll();
});

const clock = hurriedClock(10);
const instance = (...servers: readonly string[]) =>
  anInstance({ servers: [...servers], store: (report) => aStore(report), clock });
const long = () => steps({ steps: 100, secondsPerStep: 0.02 });
const cancelsAt = ({ requests }: ComfyUIStandIn): number =>
  requests.filter(({ path }) => path.endsWith('/cancel')).length;
const leftAt = async ({ url }: ComfyUIStandIn): Promise<unknown> =>
  ((await (await fetch(`${url}/prompt`)).json()) as { exec_info: { queue_remaining: number } }).exec_info
    .queue_remaining;

test.concurrent('a job that runs on, because a node swallowed the interrupt, is asked for again', async () => {
  const comfy = await start();
  const a = instance(comfy.url);
  comfy.faults.mostSteps = 15;
  const job = await a.run(long());
  await job.where(({ progress }) => progress > 5);
  const routes = [`/api/jobs/${job.promptId}/cancel`];
  comfy.faults.status = { httpStatus: 200, body: '{"cancelled": true}', contentType: 'application/json', routes };
  expect(await a.pipeline.cancel(job.promptId)).toMatchObject({ status: 'processing' });
  await until(() => cancelsAt(comfy) > 0);
  comfy.faults.status = undefined;
  expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' } });
});

test.concurrent('a job that runs before its post is answered is stopped, and the answer not waited for', async () => {
  const comfy = await start();
  const a = instance(comfy.url);
  await until(() => a.pipeline.servers()[0]?.via === 'websocket');
  comfy.faults.mostSteps = 15;
  comfy.faults.slowBodyMs = 60_000;
  const queued = firstValueFrom(a.pipeline.states$.pipe(filter(({ status }) => status === 'queued')));
  const submitted = a.pipeline.submit({ type: 'image_generation', userId: 'ada', workflow: JSON.stringify(long()) });
  const { promptId } = await queued;
  const job = a.watch(promptId);
  await until(() => comfy.requests.some(({ path }) => path.endsWith('/prompt')));
  await a.pipeline.cancel(promptId);
  comfy.faults.slowBodyMs = 0;
  expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' } });
  await submitted;
});

test.concurrent.each(['0.3.30', '0.33.0'] as const)(
  'a job that is given up as unreachable, and whose answer was lost, is taken out of the queue of %s once that answers',
  async (version) => {
    const comfy = await start({ version });
    const a = anInstance({ servers: [comfy.url], store: (report) => aStore(report), clock: hurriedClock(100) });
    await until(() => a.pipeline.servers()[0]?.via === 'websocket');
    // No frame tells of the job while a stranger's runs.
    comfy.faults.mostSteps = 5;
    await submit(comfy, long());
    const routes = ['/api/jobs', '/queue', '/history'];
    comfy.faults.status = { httpStatus: 502, body: '<html>Bad Gateway</html>', routes };
    Object.assign(comfy.faults, { loseAnswer: 'after', loseAnswerTimes: 1 });
    const job = await a.run(long());
    expect((await job.end).failure?.kind).toBe('unreachable');
    expect(await leftAt(comfy)).toBe(2);
    comfy.faults.status = undefined;
    await until(async () => (await leftAt(comfy)) === 1);
    comfy.faults.mostSteps = Infinity;
    await until(async () => (await leftAt(comfy)) === 0);
    expect(comfy.executedWorkflows).toHaveLength(1);
  },
);

test.concurrent.each(['cancelled', 'completed'])(
  'the first run of a job that was given up at a server, run elsewhere and %s is stopped once that one answers',
  async (how) => {
    const [first, second] = [await start(), await start()];
    const link = await tcpProxy(first.url);
    const a = instance(link.url, second.url);
    await until(() => a.pipeline.servers().every(({ via }) => via === 'websocket'));
    [first.faults.mostSteps, second.faults.mostSteps] = [5, 5];
    const job = await a.run(long(), { server: link.url, onLost: 'resubmit' });
    await job.where(({ status }) => status === 'processing');
    link.reset();
    link.refuse();
    await job.where(({ attempt, status }) => attempt === 2 && status === 'processing');
    if (how === 'cancelled') await a.pipeline.cancel(job.promptId);
    else second.faults.mostSteps = Infinity;
    const { status, failure } = await job.end;
    expect(failure?.kind ?? status).toBe(how);
    expect(await leftAt(first)).toBe(1);
    link.accept();
    await until(async () => (await leftAt(first)) === 0);
    await link.close();
  },
);

test.concurrent(
  'a run whose job timed out while its server was away for longer than a minute is stopped once it answers',
  async () => {
    const comfy = await start();
    const link = await tcpProxy(comfy.url);
    const a = instance(link.url);
    comfy.faults.mostSteps = 5;
    const job = await a.run(long(), { timeoutMs: 30_000 });
    await job.where(({ status }) => status === 'processing');
    link.reset();
    link.refuse();
    const { finishedAt = 0, failure } = await job.end;
    expect(failure?.kind).toBe('timed_out');
    await until(() => clock.now() - finishedAt > 70_000);
    expect(await leftAt(comfy)).toBe(1);
    link.accept();
    await until(async () => (await leftAt(comfy)) === 0);
    await link.close();
  },
);
