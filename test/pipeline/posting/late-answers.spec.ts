import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { start, stopAll } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { hurriedClock } from '../../support/pipeline/hurried-clock';
import { anInstance, closeAll } from '../../support/pipeline/pipelines';
import { aStore } from '../../support/pipeline/stores';
import { until } from '../../support/until';

/** A server that takes a workflow and answers when it is told to, and nothing else ever. */
interface Hung {
  readonly url: string;
  readonly asked: readonly string[];
  readonly isPosted: () => boolean;
  readonly answer: (status: number, body: object) => void;
}

const open: Server[] = [];
afterEach(async () => {
  await closeAll();
  await stopAll();
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function hung(): Promise<Hung> {
  let held: ServerResponse | undefined;
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (request.method === 'POST' && request.url === '/prompt') held = response;
  });
  server.on('upgrade', (_, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  open.push(server);
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    isPosted: () => held !== undefined,
    answer: (status, body) =>
      void held?.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
  };
}

describe('a server that was given up, and answers once the job runs elsewhere', () => {
  async function runningElsewhere() {
    const [first, second] = [await hung(), await start()];
    const { pipeline, run } = anInstance({
      servers: [first.url, second.url],
      store: aStore,
      clock: hurriedClock(10),
    });
    await until(() => pipeline.servers()[1]?.via === 'websocket');
    second.faults.mostSteps = 5;
    const workflow = steps({ steps: 10, secondsPerStep: 0.02 });
    const job = await run(workflow, { server: first.url, onLost: 'resubmit' });
    await until(first.isPosted);
    await job.where(({ attempt, status }) => attempt === 2 && status === 'processing');
    return { first, second, job };
  }

  test('and refuses its run, ends no other', async () => {
    const { first, second, job } = await runningElsewhere();
    first.answer(400, { error: { type: 'x', message: 'Value not in list', details: '', extra_info: {} } });
    second.faults.mostSteps = Infinity;
    expect(await job.end).toMatchObject({ status: 'completed', attempt: 2 });
    expect(second.executedWorkflows).toHaveLength(1);
  });

  test('and takes its run, is asked to stop that', async () => {
    const { first, second, job } = await runningElsewhere();
    first.answer(200, { prompt_id: job.promptId, number: 1, node_errors: {} });
    await until(() => first.asked.includes(`POST /api/jobs/${job.promptId}/cancel`));
    second.faults.mostSteps = Infinity;
    expect(await job.end).toMatchObject({ status: 'completed', attempt: 2 });
  });
});

test.each(['cancelled', 'timed_out'])(
  '[R15] a server whose id of a run is no text ends nobody’s jobs: %s',
  async (how) => {
    const [odd, good] = [await hung(), await start()];
    const { pipeline, run } = anInstance({ servers: [odd.url, good.url], store: aStore, clock: hurriedClock(10) });
    const workflow = steps({ steps: 2, secondsPerStep: 0.02 });
    const job = await run(workflow, { server: odd.url, ...(how === 'timed_out' && { timeoutMs: 30_000 }) });
    await until(odd.isPosted);
    odd.answer(200, { prompt_id: '\ud800', number: 1, node_errors: {} });
    if (how === 'cancelled') await pipeline.cancel(job.promptId);
    else expect((await job.end).failure).toMatchObject({ kind: how });
    expect(await (await run(workflow, { server: good.url })).end).toMatchObject({ status: 'completed' });
  },
);
