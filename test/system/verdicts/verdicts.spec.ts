import { describe, expect, it } from '@jest/globals';
import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { image } from '../../support/comfyui/workflows';
import { orders } from './orders';
import { executionsOf, type Ending } from './truth';
import { accidents } from './verdicts';
import { seeded } from '../seeded';

const [order] = orders(
  { count: 1, long: 0, longSeconds: 1, atOnce: 1, spreadMs: 0, timeScale: 1, servers: [] },
  seeded(1),
);
const workflow = { ...image(), '1': { ...image()['1']!, _meta: { title: 'order 0' } } };

/** A server that started these runs at these times. */
const serverWith = (runs: Readonly<Record<string, number>>) => {
  const executedWorkflows = Object.entries(runs).map(([promptId, startedAt]) => ({
    promptId,
    clientId: undefined,
    extraData: { jobstream_prompt_id: promptId },
    workflow,
    startedAt,
  }));
  return { comfy: { url: 'http://server', executedWorkflows } as Partial<ComfyUIStandIn> as ComfyUIStandIn };
};

/** How many runs are accidents where only this one came to an end. */
function found(servers: Parameters<typeof executionsOf>[0], succeeded: string): number {
  const ending: Ending = { order: 0, runId: succeeded, how: 'success', files: 1, at: 100 };
  const fate = { order: order!, cancelled: false, deleted: false, forgotten: 1, unknowable: false };
  return accidents(fate, executionsOf(servers), new Map([[succeeded, ending]]));
}

describe('a job that ran on two servers', () => {
  const servers = [serverWith({ second: 50 }), serverWith({ first: 10 })];

  it('ran rightly where the earlier run was lost', () => {
    expect(found(servers, 'second')).toBe(0);
  });

  it('ran by accident where the earlier run had succeeded', () => {
    expect(found(servers, 'first')).toBe(1);
  });
});
