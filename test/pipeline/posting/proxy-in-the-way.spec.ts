import type { Report } from '../../../index';
import { start, stopAll } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { hurriedClock } from '../../support/pipeline/hurried-clock';
import { anInstance, closeAll } from '../../support/pipeline/pipelines';
import { aStore } from '../../support/pipeline/stores';
import { until } from '../../support/until';
import { REPORTED_URL } from '../../../streams/reports/job-report';

afterAll(async () => {
  await closeAll();
  await stopAll();
});

const json404 = { httpStatus: 404, body: '{"error":"no such upstream"}', contentType: 'application/json' };
const text404 = { httpStatus: 404, body: '404 page not found', contentType: 'text/plain; charset=utf-8' };
const instance = (...servers: readonly string[]) =>
  anInstance({ servers: [...servers], store: (report) => aStore(report), clock: hurriedClock(10) });

test.concurrent.each([
  ['JSON', json404],
  ['text', text404],
])(
  '[R10] where a proxy answers 404 in %s for a server, new jobs go elsewhere, and its own after a minute',
  async (_, status) => {
    const [first, second] = [await start(), await start()];
    const a = instance(first.url, second.url);
    await until(() => a.pipeline.servers().every(({ via }) => via === 'websocket'));
    first.faults.mostSteps = 5;
    const own = await a.run(steps({ steps: 10, secondsPerStep: 0.02 }), { server: first.url, onLost: 'resubmit' });
    await own.where((state) => state.status === 'processing');
    first.faults.status = status;
    first.dropSockets('abrupt');
    await until(() => a.pipeline.servers()[0]?.healthy === false);
    for (let n = 0; n < 3; n += 1) {
      const job = await a.run(steps({ steps: 2, secondsPerStep: 0.02 }));
      expect(await job.end).toMatchObject({ status: 'completed', serverUrl: second.url });
    }
    expect(await own.end).toMatchObject({ status: 'completed', attempt: 2, serverUrl: second.url });
  },
);

test.concurrent('[R4] a proxy’s 404 in JSON does not say that outputs are missing', async () => {
  const comfy = await start();
  const a = instance(comfy.url);
  comfy.faults.mostSteps = 15;
  const job = await a.run(steps({ steps: 30, secondsPerStep: 0.02 }));
  await job.where(({ progress }) => progress > 5);
  // A look would tell which outputs are wanted, and the frames have them all.
  comfy.faults.hangRoutes = ['/api/jobs'];
  comfy.dropSockets('abrupt');
  await until(() => comfy.sockets() === 0);
  await until(() => comfy.sockets() > 0);
  comfy.faults.mostSteps = Infinity;
  await job.where(({ phase }) => phase === 'finishing');
  comfy.faults.hangRoutes = [];
  comfy.faults.status = json404;
  const looks = () => comfy.requests.filter(({ path }) => path === `/api/jobs/${job.promptId}`).length;
  const before = looks();
  await until(() => looks() >= before + 5);
  comfy.faults.status = undefined;
  expect(await job.end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4' }] });
});

test.concurrent('[R4] a cancel that a proxy answers with 404 in JSON is asked again', async () => {
  const comfy = await start();
  const a = instance(comfy.url);
  comfy.faults.mostSteps = 15;
  const job = await a.run(steps({ steps: 100, secondsPerStep: 0.02 }));
  await job.where(({ progress }) => progress > 5);
  comfy.faults.status = json404;
  await a.pipeline.cancel(job.promptId);
  comfy.faults.status = undefined;
  expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' } });
});

test.concurrent('what is reported of a server tells which it is, without its login', async () => {
  const [first, second] = [await start(), await start()];
  const told = new Set<string>();
  const report: Report = (where, _error, serverUrl) => void told.add(`${where} ${serverUrl}`);
  const withLogin = second.url.replace('//', '//ada:secret@');
  const a = anInstance({ servers: [first.url, withLogin], store: () => aStore(), clock: hurriedClock(10), report });
  await until(() => a.pipeline.servers().every(({ via }) => via === 'websocket'));
  second.faults.mostSteps = 5;
  const running = await a.run(steps({ steps: 10, secondsPerStep: 0.02 }), { server: second.url });
  await running.where((state) => state.status === 'processing');
  second.faults.status = text404;
  second.dropSockets('abrupt');
  await Promise.all([a.run(steps(), { server: second.url }), a.pipeline.cancel(running.promptId)]);
  const expected = ['cancel', 'look', 'socket', 'submit'].map((where) => `${where} ${second.url}`);
  await until(() => expected.every((each) => told.has(each)));
  // On a machine that stands still for a moment the other sessions are renewed, too.
  const others = [first.url, REPORTED_URL].map((url) => `socket ${url}`);
  expect([...told].filter((each) => !others.includes(each)).sort()).toEqual(expected);
});
