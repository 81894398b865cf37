import { asking } from '../../../gateway/support/http/asking';
import { heard } from '../../../gateway/support/sockets/client';
import { endOfService } from '../../../support/programs/service';
import { until } from '../../../support/until';
import { inPlace, isEnd, job, jobWhere, joined, long, submitted } from './in-place';

test.concurrent('SIGTERM while a job runs: drained within ten seconds, exit code 0, and the job goes on later', () =>
  inPlace('0.33.0', async ({ start, comfy }) => {
    const first = await start();
    await until(() => comfy.sockets() === 1);
    comfy.faults.mostSteps = 20;
    const promptId = await submitted(first, long(60));
    await jobWhere(first, promptId, (state) => state.progress > 5);
    const socket = await joined(first, promptId);
    const gone = heard(socket, 'disconnect');
    // What is not drained after ten seconds ends with another code.
    expect((await first.terminate()).code).toBe(0);
    await gone;
    await until(() => comfy.sockets() === 0);
    comfy.faults.mostSteps = Infinity;

    const second = await start();
    expect(await jobWhere(second, promptId, isEnd)).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4' }] });
    expect((await second.terminate()).code).toBe(0);
  }),
);

test.concurrent('SIGTERM while ComfyUI is away and a workflow could not be posted: in time all the same', () =>
  inPlace('0.33.0', async ({ start, comfy }) => {
    const service = await start();
    await until(() => comfy.sockets() === 1);
    await comfy.kill();
    const posting = asking(service)('POST', '/jobs', job(long(2))).catch(() => undefined);
    await until(async () => ((await asking(service)('GET', '/jobs')).json['jobs'] as unknown[]).length === 1);
    expect((await service.terminate()).code).toBe(0);
    await posting;
  }),
);

test.concurrent('without COMFYUI_URL it does not start, and says what is missing', async () => {
  const { code, output } = await endOfService({});
  expect([code, output]).toEqual([1, expect.stringContaining('COMFYUI_URL')]);
});
