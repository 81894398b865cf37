import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { queuedState } from '../../../streams/job/job';
import { start, stopAll, submit, until } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { anInstance, closeAll } from '../../support/pipeline/pipelines';

afterEach(async () => {
  await closeAll();
  await stopAll();
});

const aStore = (directory = mkdtempSync(join(tmpdir(), 'adoption-'))) =>
  embeddedStore({ directory, report: () => undefined });

/** A job that was stored and posted by an instance that did not live to hear under which id ComfyUI took it. */
async function postedUnheard(url: string, post: (fields: object) => Promise<unknown>) {
  const [promptId, clientId] = [randomUUID(), randomUUID()];
  const store = aStore();
  const state = queuedState({ promptId, type: 'image_generation', userId: 'ada', serverUrl: url, at: Date.now() });
  await lastValueFrom(store.put({ ...state, clientId }));
  await post({ client_id: clientId, prompt_id: promptId, extra_data: { jobstream_prompt_id: promptId } });
  return { promptId, store };
}

test.each([
  ['is still in the queue', false],
  ['has ended', true],
])('[R3] on an old server, a job whose new id nobody heard is found by its mark where it %s', async (_, ended) => {
  const comfyUI = await start({ version: '0.3.30', faults: { mostSteps: ended ? Infinity : 5 } });
  const workflow = steps({ secondsPerStep: 0.02 });
  const { promptId, store } = await postedUnheard(comfyUI.url, (fields) => submit(comfyUI, workflow, fields));
  const [id = ''] = await executed(comfyUI.executions);
  if (ended) await until(async () => Object.keys(await history(comfyUI.url, id)).length > 0);

  const { watch } = anInstance({ servers: [comfyUI.url], store: () => store });
  const watched = watch(promptId);
  await watched.where(({ runId }) => runId === id);
  comfyUI.faults.mostSteps = Infinity;
  const end = await watched.end;

  expect(end).toMatchObject({ promptId, runId: id, status: 'completed', userId: 'ada' });
  expect(end.outputs).toHaveLength(1);
  expect([...comfyUI.executions.values()]).toEqual([1]);
});

async function executed(executions: ReadonlyMap<string, number>): Promise<readonly string[]> {
  await until(() => executions.size > 0);
  return [...executions.keys()];
}

async function history(url: string, id: string): Promise<object> {
  const response = await fetch(`${url}/history/${id}`);
  return Object(await response.json()) as object;
}
