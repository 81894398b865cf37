import { long, onEach, progressed, short, until } from '../../../system/outages/scenarios';
import { stateWhere } from '../../../system/outages/world';

const cancelled = { status: 'failed', failure: { kind: 'cancelled', retryable: false } };

test.concurrent(
  'cancel stops the job that runs, and not its neighbour',
  onEach({}, async ({ run, pipeline, comfy }) => {
    comfy.faults.mostSteps = 15;
    const [running, waiting] = [await run(long()), await run(short())];
    await running.where(progressed);
    await pipeline.cancel(running.promptId);
    expect(await running.end).toMatchObject(cancelled);
    expect(await waiting.end).toMatchObject({ status: 'completed' });
    expect(await pipeline.cancel(waiting.promptId)).toEqual(await waiting.end);
    expect(comfy.executions.size).toBe(2);
  }),
);

test.concurrent(
  'cancel takes the job that waits away, and leaves the one that runs',
  onEach({}, async ({ run, pipeline, comfy }) => {
    comfy.faults.mostSteps = 15;
    const [running, waiting] = [await run(long(30)), await run(short())];
    await running.where(progressed);
    expect(await waiting.where(({ queuePosition }) => queuePosition === 1)).toMatchObject({ status: 'queued' });
    await pipeline.cancel(waiting.promptId);
    expect(await waiting.end).toMatchObject(cancelled);
    comfy.faults.mostSteps = Infinity;
    expect(await running.end).toMatchObject({ status: 'completed' });
    expect(comfy.executions.size).toBe(1);
  }),
);

test.concurrent(
  'cancel of a job that could not be posted yet: it never is',
  onEach({}, async ({ pipeline, comfy }) => {
    await comfy.kill();
    const queued = stateWhere(pipeline, ({ status }) => status === 'queued');
    const submitted = pipeline.submit({ type: 'x', userId: 'ada', workflow: short() });
    const { promptId } = await queued;
    await pipeline.cancel(promptId);
    expect(await submitted).toMatchObject(cancelled);
    await comfy.start();
    expect(comfy.executions.size).toBe(0);
  }),
);

test.concurrent(
  'cancel that nobody answers is asked again until somebody does',
  onEach({}, async ({ run, pipeline, comfy, reports }) => {
    comfy.faults.mostSteps = 15;
    const [running, waiting] = [await run(long()), await run(short())];
    await running.where(progressed);
    comfy.faults.status = { httpStatus: 502, body: '<html>', routes: ['/api', '/queue', '/interrupt'] };
    const asked = pipeline.cancel(running.promptId);
    await until(() => reports.filter(([where]) => where === 'cancel').length >= 2);
    comfy.faults.status = undefined;
    await asked;
    expect(await running.end).toMatchObject(cancelled);
    expect(await waiting.end).toMatchObject({ status: 'completed' });
  }),
);
