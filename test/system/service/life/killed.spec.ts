import { statesOf } from '../../../gateway/support/sockets/client';
import { nodeError, twoOutputs } from '../../../support/comfyui/workflows';
import { until } from '../../../support/until';
import { inPlace, isEnd, jobWhere, joined, long, submitted, versions } from './in-place';

test.concurrent.each(versions)(
  '%s: killed while jobs run and wait, and started again: they go on, and end as they end',
  (version) =>
    inPlace(version, async ({ start, comfy }) => {
      const first = await start();
      await until(() => comfy.sockets() === 1);
      // It is still at work when the service is back, however long that takes.
      comfy.faults.mostSteps = 10;
      const [running, waiting] = [await submitted(first, long(60)), await submitted(first, twoOutputs())];
      const before = await jobWhere(first, running, (state) => state.progress > 3);
      await first.kill();
      await until(() => comfy.sockets() === 0);

      const second = await start();
      const socket = await joined(second, running);
      const states = statesOf(socket);
      // Its frames came again, and not only its end: over the session under which the job was posted, beside its own.
      await until(() => comfy.sockets() === 2);
      comfy.faults.mostSteps = 40;
      await until(() => states.some(({ via, node }) => via === 'websocket' && Number(node?.value) > 10));
      comfy.faults.mostSteps = Infinity;
      await until(() => isEnd(states.at(-1)));
      expect(states.at(-1)).toMatchObject({ status: 'completed', progress: 100, outputs: [{ nodeId: '4' }] });
      expect(states[0]!.progress).toBeGreaterThanOrEqual(before.progress);
      expect(states[0]!.epoch).toBeGreaterThan(before.epoch);
      expect(await jobWhere(second, waiting, isEnd)).toMatchObject({
        status: 'completed',
        outputs: [{ nodeId: '4' }, { nodeId: '6' }],
      });
      socket.disconnect();
      expect(comfy.executions.size).toBe(2);
    }),
);

test.concurrent.each(versions)('%s: killed, and started again when all is over: each job ended as it did', (version) =>
  inPlace(version, async ({ start, comfy }) => {
    const first = await start();
    await until(() => comfy.sockets() === 1);
    const ids = [
      await submitted(first, long(20)),
      await submitted(first, nodeError()),
      await submitted(first, long(200)),
    ];
    await jobWhere(first, ids[0]!, (state) => state.progress > 0);
    await first.kill();
    await until(() => comfy.executions.size === 3);
    await fetch(`${comfy.url}/interrupt`, { method: 'POST', body: '{}' });
    const idle = async () => (await (await fetch(`${comfy.url}/prompt`)).text()).includes('"queue_remaining": 0');
    await until(idle);

    const second = await start();
    const ends = await Promise.all(ids.map((id) => jobWhere(second, id, isEnd)));
    expect(ends).toMatchObject([
      { status: 'completed', progress: 100, outputs: [{ nodeId: '4', kind: 'images' }] },
      { status: 'failed', failure: { kind: 'node_error', nodeId: '2' } },
      { status: 'failed', failure: { kind: 'interrupted', nodeId: '2' } },
    ]);
    expect(comfy.executions.size).toBe(3);
  }),
);
