import { hurriedClock } from '../../../support/pipeline/hurried-clock';
import { takenUp } from '../../../support/pipeline/pipelines';
import { lasting, onOneRedis, progressed } from '../../../support/pipeline/one-redis';

const one = onOneRedis();

test('a cancel that was taken while its server was away is obeyed by whoever takes the job up', async () => {
  const a = one.instance({ clock: hurriedClock(8) });
  one.holdJobs();
  const running = await a.run(lasting(3));
  await running.where(progressed);
  const waiting = await a.run(lasting(1));
  await waiting.where(({ queuePosition }) => queuePosition !== undefined);
  await one.comfy.kill();
  const posting = await a.run(lasting(1));
  for (const { promptId } of [waiting, posting]) {
    const asked = await a.pipeline.cancel(promptId);
    expect(asked?.status === 'failed' || asked?.cancelAskedAt !== undefined).toBe(true);
  }
  await a.pipeline.close();

  const b = one.instance({ clock: hurriedClock(8) });
  await takenUp(b.pipeline, waiting.promptId);
  one.letJobsGo();
  await one.comfy.start();
  for (const { promptId } of [waiting, posting]) {
    const end = await b.watch(promptId).end;
    expect(end).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
    expect(end.cancelAskedAt).toBeUndefined();
  }
});
