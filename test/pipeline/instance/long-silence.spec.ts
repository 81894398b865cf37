import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom, tap } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { defaultTiming } from '../../../streams/job/timing';
import { start, stopAll } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { anInstance, closeAll } from '../../support/pipeline/pipelines';
import { eventually } from '../../support/until';

const S = 1_000;
const HOUR = 3_600 * S;

/** What RxJS goes by is put forward by hand; sockets and requests take their time. */
beforeEach(() => {
  const inEarnest = ['nextTick', 'hrtime', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate'] as const;
  jest.useFakeTimers({ doNotFake: [...inEarnest, 'setTimeout', 'clearTimeout'] });
});
afterEach(async () => {
  jest.useRealTimers();
  await closeAll();
  await stopAll();
});

const pass = async (ms: number): Promise<void> => {
  for (let left = ms; left > 0; left -= 20 * S) {
    jest.advanceTimersByTime(Math.min(left, 20 * S));
    await sleep(1);
  }
};
const passUntil = async (isSo: () => boolean): Promise<void> => {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 10_000) throw new Error(`waited in vain for ${isSo.toString()}`);
    await pass(S / 4);
    await sleep(5);
  }
};

test('[R12] a job that is silent for longer than an ended one is kept keeps its state; once ended, that lives for 7200 s', async () => {
  const comfyUI = await start();
  const store = embeddedStore({
    directory: mkdtempSync(join(tmpdir(), 'silence-')),
    report: () => undefined,
  });
  const state = (promptId: string) => lastValueFrom(store.get(promptId));
  /** How often its end was written. */
  let endsWritten = 0;
  const put: typeof store.put = (job, workflow) =>
    store.put(job, workflow).pipe(tap({ complete: () => job.status === 'failed' && (endsWritten += 1) }));
  const { pipeline, reports, watch } = anInstance({
    servers: [comfyUI.url],
    store: () => ({ ...store, put }),
    // Pongs come in earnest, and a socket that is opened anew would be a change.
    timing: { ...defaultTiming, quietMs: 24 * HOUR, maxQuietMs: 24 * HOUR },
    socketTiming: { silentMs: 24 * HOUR, closeMs: 300 },
  });
  await passUntil(() => comfyUI.sockets() > 0);
  const workflow = steps({ steps: 1, secondsPerStep: 3_600 });
  const submitted = pipeline.submit({ type: 'lora_training', userId: 'ada', workflow });
  await passUntil(() => comfyUI.executions.size > 0);
  const { promptId } = await submitted;
  const { states } = watch(promptId);
  await passUntil(() => states.at(-1)?.status === 'processing');
  await pass(30 * S);

  await pass(2.5 * HOUR);
  // The bar goes on by the clock, until it shows no more than that the end is not there.
  expect(states.at(-1)).toMatchObject({ status: 'processing', via: 'websocket' });
  // Written a moment later: the file takes its time, and what comes meanwhile waits for the clock.
  await eventually(async () => {
    await pass(20 * S);
    expect(await state(promptId)).toEqual(states.at(-1));
  });
  expect(reports).toEqual([]);

  await comfyUI.restart();
  await passUntil(() => states.at(-1)?.status === 'failed');
  // At once, and again 20 s later.
  await passUntil(() => endsWritten === 2);
  await pass(7_170 * S);
  expect(await state(promptId)).toMatchObject({ status: 'failed', failure: { kind: 'lost' } });
  await pass(60 * S);
  expect(await state(promptId)).toBeUndefined();
});
