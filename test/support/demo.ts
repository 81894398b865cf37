import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { openAuth } from '../../gateway/auth';
import { startGateway } from '../../gateway/server';
import { createPipeline, type JobRequest, type Pipeline, type Workflow } from '../../pipeline';
import { embeddedStore } from '../../sinks/embedded-store';
import { isSettled } from '../../streams/job-state';
import { startComfyUI } from './comfyui/stand-in';
import { characterSheet, faceSwap, image, nodeError, outOfMemory, training } from './comfyui/workflows';

const kinds: readonly (readonly [type: JobRequest['type'], workflow: () => unknown])[] = [
  ['image_generation', () => image({ steps: 24, secondsPerStep: 0.5 })],
  ['lora_training', () => training({ steps: 400, secondsPerStep: 0.4 })],
  ['face_swap', () => faceSwap()],
  ['character_sheet', () => characterSheet({ steps: 20, secondsPerStep: 0.4 })],
  ['image_generation', () => nodeError()],
  ['image_generation', () => image({ steps: 40, secondsPerStep: 0.4 })],
  ['image_generation', () => outOfMemory()],
];
/** So many at once, over two servers: some run, some wait. */
const AT_ONCE = 6;

/** Two simulated ComfyUI servers, an embedded store, the gateway and its dashboard, with jobs of every kind at work. */
async function main(): Promise<void> {
  const port = Number(process.env['PORT'] ?? 8787);
  const directory = mkdtempSync(join(tmpdir(), 'jobstream-demo-'));
  const logger = pino({ level: process.env['LOG_LEVEL'] ?? 'warn' }, pino.destination(2));
  const report = (where: string, error: unknown): void => logger.info({ where, err: error }, 'trouble');
  const comfyUIs = await Promise.all([startComfyUI({ version: '0.33.0' }), startComfyUI({ version: '0.3.64' })]);
  const pipeline = createPipeline({
    servers: comfyUIs.map(({ url }) => url),
    store: embeddedStore({ directory, report }),
    report,
  });
  const gateway = await startGateway({ pipeline, host: '127.0.0.1', port, auth: openAuth, logger });

  console.log(`
  Simulated ComfyUI  ${comfyUIs.map(({ url }) => url).join('  ')}
  Dashboard          ${gateway.url}/
  Jobs as JSON       curl ${gateway.url}/jobs
  Stop               Ctrl-C
`);
  const feeding = keepBusy(
    pipeline,
    comfyUIs.map(({ url }) => url),
  );

  const stop = (): void => {
    clearInterval(feeding);
    void (async () => {
      await gateway.close();
      await pipeline.close();
      await Promise.all(comfyUIs.map((comfyUI) => comfyUI.stop()));
      rmSync(directory, { recursive: true, force: true });
      process.exit(0);
    })();
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
}

/** Submits the next kind of job whenever there is room. */
function keepBusy(pipeline: Pipeline, servers: readonly string[]): NodeJS.Timeout {
  const live = new Set<string>();
  let next = 0;
  pipeline.states$.subscribe((state) => (isSettled(state) ? live.delete(state.promptId) : live.add(state.promptId)));
  const submit = (): void => {
    if (live.size >= AT_ONCE) return;
    const [type, workflow] = kinds[next % kinds.length]!;
    const server = servers[next % servers.length]!;
    next += 1;
    const request = {
      type,
      userId: `user-${(next % 3) + 1}`,
      characterId: 'ada',
      server,
      workflow: workflow() as Workflow,
    };
    pipeline.submit(request).catch((error: unknown) => console.error(error));
  };
  for (let i = 0; i < AT_ONCE - 1; i++) submit();
  return setInterval(submit, 1500);
}

main().catch((error: unknown) => {
  console.error(`The demo cannot start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
