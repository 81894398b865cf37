import { asking } from '../../../gateway/support/http/asking';
import { connected, join as joinJob, statesOf } from '../../../gateway/support/sockets/client';
import { nodeError, rejected, twoOutputs } from '../../../support/comfyui/workflows';
import { until } from '../../../support/until';
import { inPlace, isEnd, job, jobWhere, long, stateIn, submitted, versions } from './in-place';

test.concurrent.each(versions)('%s: a job’s life, over HTTP and Socket.IO alone', (version) =>
  inPlace(version, async ({ start, comfy }) => {
    const service = await start();
    const ask = asking(service);
    await until(() => comfy.sockets() === 1);

    comfy.faults.mostSteps = 3;
    const posted = await ask('POST', '/jobs', job(twoOutputs(), { characterId: 'c', metadata: { order: 7 } }));
    expect(posted).toMatchObject({ status: 202, json: { userId: 'ada', characterId: 'c', metadata: { order: 7 } } });
    const { promptId } = stateIn(posted);
    expect(posted.headers['location']).toBe(`/jobs/${promptId}`);
    const socket = await connected(service);
    const states = statesOf(socket);
    const previews: unknown[] = [];
    socket.on('job:preview', (head, bytes) => previews.push({ ...head, first: bytes[0] }));
    expect(await joinJob(socket, promptId)).toMatchObject({ ok: true, job: { promptId } });
    comfy.faults.mostSteps = 10;
    await until(() => previews.length > 0 && states.some((state) => state.progress > 0));
    comfy.faults.mostSteps = Infinity;
    await until(() => states.at(-1)?.status === 'completed');
    const progress = states.map((state) => state.progress);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(previews[0]).toEqual({ promptId, nodeId: '2', mimeType: 'image/jpeg', first: 0xff });

    const late = await connected(service);
    const told = await joinJob(late, promptId);
    expect(told).toMatchObject({
      ok: true,
      job: { promptId, status: 'completed', progress: 100, outputs: [{ nodeId: '4' }, { nodeId: '6' }] },
    });
    expect(stateIn(await ask('GET', `/jobs/${promptId}`))).toEqual(told.ok && told.job);
    for (const n of [0, 1]) {
      const file = await fetch(`${service.url}/jobs/${promptId}/outputs/${n}`);
      expect([file.status, file.headers.get('content-type')]).toEqual([200, 'image/png']);
      expect(
        Buffer.from(await file.arrayBuffer())
          .subarray(1, 4)
          .toString(),
      ).toBe('PNG');
    }
    expect((await ask('GET', `/jobs/${promptId}/outputs/2`)).status).toBe(404);

    const refused = await ask('POST', '/jobs', job(rejected()));
    expect(refused).toMatchObject({ status: 422, headers: { 'content-type': /problem\+json/ } });
    expect((refused.json['nodeErrors'] as { nodeId: string }[]).map(({ nodeId }) => nodeId)).toEqual(
      expect.arrayContaining(['1', '5']),
    );
    expect(await ask('GET', String(refused.headers['location']))).toMatchObject({
      status: 200,
      json: { status: 'failed', failure: { kind: 'rejected' } },
    });

    const broken = await submitted(service, nodeError());
    expect(await jobWhere(service, broken, isEnd)).toMatchObject({ failure: { kind: 'node_error', nodeId: '2' } });

    const [running, waiting] = [await submitted(service, long(2_000)), await submitted(service, long(2))];
    await jobWhere(service, running, (state) => state.progress > 0);
    expect((await ask('POST', `/jobs/${running}/cancel`)).status).toBeLessThan(300);
    expect(await jobWhere(service, running, isEnd)).toMatchObject({ failure: { kind: 'cancelled' } });
    expect(await jobWhere(service, waiting, isEnd)).toMatchObject({ status: 'completed' });
    expect((await ask('GET', '/jobs?status=failed')).json['jobs']).toHaveLength(2);
    expect((await ask('GET', '/jobs?status=cancelled')).json).toMatchObject({
      jobs: [{ promptId: running, status: 'failed' }],
      totals: { queued: 0, processing: 0, completed: 2, failed: 2, cancelled: 1 },
    });
    expect(comfy.executions.size).toBe(4);
    for (const each of [socket, late]) each.disconnect();
  }),
);
