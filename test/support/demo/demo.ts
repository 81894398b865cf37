import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { openAuth } from '../../../gateway/admission/auth/auth';
import { startGateway } from '../../../gateway/server/server';
import type { JobRequest, Pipeline, Workflow } from '../../../pipeline/api';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { isSettled } from '../../../streams/job/job-state';
import { startComfyUI } from '../comfyui/stand-in';
import { characterSheet, faceSwap, image, nodeError, outOfMemory, training } from '../comfyui/workflows';

type Kind = readonly [type: JobRequest['type'], workflow: () => unknown];

const pictures: readonly Kind[] = [
  ['image_generation', () => image({ steps: 24, secondsPerStep: 0.3 })],
  ['face_swap', () => faceSwap()],
  ['character_sheet', () => characterSheet({ steps: 16, secondsPerStep: 0.25 })],
  ['image_generation', () => nodeError()],
  ['image_generation', () => image({ steps: 40, secondsPerStep: 0.25 })],
  ['image_generation', () => outOfMemory()],
];
const trainings: readonly Kind[] = [['lora_training', () => training({ steps: 400, secondsPerStep: 0.25 })]];

/** Who asks, and for which of their characters. */
const people: readonly (readonly [userId: string, characterId: string])[] = [
  ['mira', 'lighthouse-keeper'],
  ['jonas', 'red-knight'],
  ['ines', 'cartographer'],
  ['mira', 'falconer'],
];

/** Two simulated ComfyUI servers, an embedded store, the gateway and its dashboard, with jobs of every kind at work. */
async function main(): Promise<void> {
  const port = Number(process.env['PORT'] ?? 8787);
  const directory = mkdtempSync(join(tmpdir(), 'jobstream-demo-'));
  const logger = pino({ level: process.env['LOG_LEVEL'] ?? 'warn' }, pino.destination(2));
  const report = (where: string, error: unknown): void => logger.info({ where, err: error }, 'trouble');
  const [forPictures, forTrainings] = await Promise.all([
    startComfyUI({ version: '0.33.0' }),
    startComfyUI({ version: '0.3.64' }),
  ]);
  const pipeline = createPipeline({
    servers: [
      { url: forPictures.url, tags: pictures.map(([type]) => type) },
      { url: forTrainings.url, tags: ['lora_training'] },
    ],
    store: embeddedStore({ directory, report }),
    report,
  });
  const gateway = await startGateway({ pipeline, host: '127.0.0.1', port, auth: openAuth, logger });

  console.log(`
  Simulated ComfyUI  ${forPictures.url}  ${forTrainings.url}
  Dashboard          ${gateway.url}/
  Jobs as JSON       curl ${gateway.url}/jobs
  Stop               Ctrl-C
`);
  const feeding = [keepBusy(pipeline, pictures, 4), keepBusy(pipeline, trainings, 2)];

  const stop = (): void => {
    feeding.forEach(clearInterval);
    void (async () => {
      await gateway.close();
      await pipeline.close();
      await Promise.all([forPictures.stop(), forTrainings.stop()]);
      rmSync(directory, { recursive: true, force: true });
      process.exit(0);
    })();
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
}

/** Keeps so many jobs of these kinds at work: some run, some wait. */
function keepBusy(pipeline: Pipeline, kinds: readonly Kind[], atOnce: number): NodeJS.Timeout {
  const live = new Set<string>();
  const types = new Set(kinds.map(([type]) => type));
  let next = 0;
  pipeline.states$.subscribe((state) => {
    if (isSettled(state)) live.delete(state.promptId);
    else if (types.has(state.type)) live.add(state.promptId);
  });
  const submit = (): void => {
    if (live.size >= atOnce) return;
    const [type, workflow] = kinds[next % kinds.length]!;
    next += 1;
    const [userId, characterId] = people[next % people.length]!;
    const request = { type, userId, characterId, workflow: workflow() as Workflow };
    pipeline.submit(request).catch((error: unknown) => console.error(error));
  };
  submit();
  return setInterval(submit, 1000);
}

main().catch((error: unknown) => {
  console.error(`The demo cannot start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
