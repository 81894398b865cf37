import { readFile } from 'node:fs/promises';
import { lastValueFrom, tap } from 'rxjs';
import { createPipeline, embeddedStore, isFile, type JobState } from '../../index'; // in an application: 'comfyui-jobstream'

const [file = 'workflow_api.json'] = process.argv.slice(2); // ComfyUI: Workflow → Export (API)
const { COMFYUI_URL = 'http://127.0.0.1:8188', DATA_DIR = './data' } = process.env;

const report = (where: string, error: unknown): void =>
  console.error(where, error instanceof Error ? error.message : error);
const store = embeddedStore({ directory: DATA_DIR, report });
const pipeline = createPipeline({ servers: [COMFYUI_URL], store, report });

const line = ({ status, progress, node, etaMs }: JobState): string =>
  [
    `${progress.toFixed(1).padStart(5)} %`,
    status,
    node?.title ?? node?.type,
    etaMs === undefined ? undefined : `${Math.ceil(etaMs / 1000)} s left`,
  ]
    .filter((part) => part !== undefined)
    .join('  ');

async function run(): Promise<number> {
  const { promptId } = await pipeline.submit({
    workflow: await readFile(file, 'utf8'),
    type: 'image_generation',
    userId: 'me',
  });
  const end = await lastValueFrom(pipeline.watch(promptId).pipe(tap((state) => console.log(line(state)))));
  for (const output of end.outputs ?? []) console.log(isFile(output) ? output.filename : output.text);
  if (end.failure) console.error(end.failure.message);
  return end.status === 'completed' ? 0 : 1;
}

// Before the process ends, so that the next run carries on at once.
run()
  .finally(() => pipeline.close())
  .then(
    (code) => (process.exitCode = code),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    },
  );
