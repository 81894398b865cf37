import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { openAuth } from '../../../gateway/admission/auth/auth';
import { prometheusMetrics } from '../../../gateway/metrics';
import { startGateway, type Gateway, type GatewayOptions } from '../../../gateway/server/server';
import type { Pipeline } from '../../../pipeline/api';
import { createPipeline, type PipelineOptions } from '../../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import type { JobStore } from '../../../sinks/job-store';
import { lookThrough } from '../../support/jest/canary';
import { startComfyUI, type ComfyUIStandIn, type StandInOptions } from '../../support/comfyui/stand-in';

export interface RunningGateway extends Gateway {
  readonly comfy: ComfyUIStandIn;
  readonly pipeline: Pipeline;
  readonly store: JobStore;
}

type Options = Partial<GatewayOptions> &
  Pick<Partial<PipelineOptions>, 'userLimits'> & {
    readonly comfyUI?: Partial<StandInOptions>;
    /** Hears each line of the log. */
    readonly heard?: (line: string) => void;
  };

/** Writes nothing, and looks through everything. */
const quiet = (heard: (line: string) => void) =>
  pino(
    { level: 'trace' },
    {
      write: (line: string) => {
        lookThrough('a log', line);
        heard(line);
      },
    },
  );

/** A gateway before a real pipeline before a ComfyUI stand-in, on free ports. Its close closes all three. */
export async function runningGateway({
  comfyUI,
  heard = () => undefined,
  userLimits = {},
  ...options
}: Options = {}): Promise<RunningGateway> {
  const comfy = await startComfyUI({ version: '0.33.0', timeScale: 0.2, ...comfyUI });
  const directory = await mkdtemp(join(tmpdir(), 'gateway-'));
  const report = () => undefined;
  const store = embeddedStore({ directory, report });
  const metrics = prometheusMetrics();
  const { telemetry } = metrics;
  const pipeline = createPipeline({ servers: [comfy.url], store, report, telemetry, userLimits });
  const gateway = await startGateway({
    pipeline,
    host: '127.0.0.1',
    port: 0,
    auth: openAuth,
    logger: quiet(heard),
    metrics,
    ...options,
  });
  return {
    url: gateway.url,
    comfy,
    pipeline,
    store,
    close: async () => {
      await gateway.close();
      await pipeline.close();
      await comfy.stop();
      await rm(directory, { recursive: true });
    },
  };
}
