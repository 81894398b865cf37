import { eventually } from '../../support/until';
import type { Program } from '../../support/programs/program';
import { startDeployment, startPrometheus, type Deployment } from './behind-nginx';

let deployment: Deployment;
let prometheus: { readonly program: Program; readonly url: string };

beforeAll(async () => {
  deployment = await startDeployment();
  prometheus = await startPrometheus(deployment);
});
afterAll(async () => {
  await prometheus.program.stop();
  await deployment.close();
});

/** What Prometheus answers to a question. */
async function answered<T>(path: string): Promise<T> {
  const answer = await fetch(`${prometheus.url}/api/v1/${path}`);
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { readonly data: T }).data;
}

interface Vector {
  readonly result: readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[];
}

test('Prometheus asks both gateways, and has our rules', async () => {
  const up = encodeURIComponent('up{job="jobstream"}');
  await eventually(async () => {
    const { result } = await answered<Vector>(`query?query=${up}`);
    expect(result.map(({ value }) => value[1])).toEqual(['1', '1']);
    expect(result.map(({ metric }) => metric['instance']).sort()).toEqual([...deployment.metrics].sort());
  });
  const { groups } = await answered<{ readonly groups: readonly { readonly rules: readonly unknown[] }[] }>('rules');
  expect(groups.flatMap(({ rules }) => rules).length).toBeGreaterThan(10);
});
