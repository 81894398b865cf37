import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedStore } from '../../../../sinks/embedded/embedded-store';
import { stopAll } from '../../../support/comfyui/client/comfyui-client';
import type { ComfyUIStandIn } from '../../../support/comfyui/stand-in';
import { hurriedClock } from '../../../support/pipeline/hurried-clock';
import { anInstance, closeAll, type Instance, type InstanceOptions } from '../../../support/pipeline/pipelines';

/** Instances on a file of the test's own, unless they are given another store; all is closed after each test. */
export function instancesOnFile() {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'jobstream-runs-'));
  });
  afterEach(async () => {
    await closeAll();
    await stopAll();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    instance: (options: Partial<InstanceOptions> & Pick<InstanceOptions, 'servers'>): Instance =>
      anInstance({ store: (report) => embeddedStore({ directory, report }), clock: hurriedClock(3), ...options }),
  };
}

/** Until it is let go, a job that counts 20 steps stays in its middle, in each of its runs. */
export const hold = ({ faults }: ComfyUIStandIn): void => void (faults.mostSteps = 10);
export const letGo = ({ faults }: ComfyUIStandIn): void => void (faults.mostSteps = Infinity);
export const expectOnceEach = (...servers: readonly ComfyUIStandIn[]): void => {
  for (const { executions } of servers) expect([...executions.values()].every((times) => times === 1)).toBe(true);
};
