import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { isSetting } from './declared';

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
interface Container {
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly resources: { readonly requests: object; readonly limits: { readonly memory: string } };
  readonly securityContext: object;
}
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

const FOLDER = 'ops/kubernetes';
const manifests = readdirSync(FOLDER).flatMap((name) =>
  parseAllDocuments(readFileSync(join(FOLDER, name), 'utf8')).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Manifest;
  }),
);
const ofKind = (kind: string): Manifest => manifests.find((manifest) => manifest.kind === kind)!;
const deployment = ofKind('Deployment').spec as {
  readonly replicas: number;
  readonly selector: { readonly matchLabels: object };
  readonly template: {
    readonly metadata: { readonly labels: object };
    readonly spec: {
      readonly terminationGracePeriodSeconds: number;
      readonly securityContext: object;
      readonly containers: readonly [Container];
      readonly volumes: readonly { readonly name: string }[];
    };
  };
};
const pod = deployment.template.spec;
const [gateway] = pod.containers;

test('all that stands in the manifest is of a kind that was looked at', () => {
  expect(manifests.map(({ kind }) => kind).sort()).toEqual(['Deployment', 'PodDisruptionBudget', 'Service']);
});

test('every setting is one, and every secret comes from a secret', () => {
  expect(gateway.env.filter(({ name }) => !isSetting(name))).toEqual([]);
  for (const secret of ['JWT_SECRET', 'REDIS_URL']) {
    const { valueFrom } = gateway.env.find(({ name }) => name === secret)!;
    expect(valueFrom).toEqual({ secretKeyRef: { name: 'comfyui-jobstream', key: secret } });
  }
  const { value } = gateway.env.find(({ name }) => name === 'COMFYUI_URL')!;
  expect(gateway.volumeMounts.map(({ mountPath }) => `${mountPath}/servers.json`)).toContain(value);
});

test('every volume that is mounted is one', () => {
  expect(gateway.volumeMounts.map(({ name }) => name)).toEqual(pod.volumes.map(({ name }) => name));
});

test('probes ask what the gateway answers, on the port that it listens on', () => {
  const { httpGet: lives } = gateway.livenessProbe;
  expect([gateway.startupProbe.httpGet.path, lives.path]).toEqual(['/livez', '/livez']);
  expect(gateway.readinessProbe.httpGet.path).toBe('/readyz');
  const routes = readFileSync('gateway/http/routes/health.ts', 'utf8');
  for (const path of ['/livez', '/readyz']) expect(routes).toContain(`'${path}'`);
  expect(gateway.ports).toEqual([
    { name: 'http', containerPort: 8787 },
    { name: 'metrics', containerPort: 9464 },
  ]);
  expect(gateway.env).toContainEqual({ name: 'METRICS_PORT', value: '9464' });
  expect(gateway.env).toContainEqual({ name: 'PORT', value: '8787' });
  expect(ofKind('Service').spec['ports']).toEqual([{ name: 'http', port: 80, targetPort: 'http' }]);
});

test('a pod has time to be forgotten by the balancer, and to drain', () => {
  const [, patienceMs = ''] = /PATIENCE_MS = ([\d_]+)/.exec(readFileSync('gateway/cli/leaving.ts', 'utf8')) ?? [];
  const drainS = Number(patienceMs.replace('_', '')) / 1000;
  expect(drainS).toBeGreaterThan(1);
  const { seconds } = gateway.lifecycle.preStop.sleep;
  expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(seconds + drainS);
});

test('one of two gateways is always there', () => {
  expect(deployment).toMatchObject({ replicas: 2, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } });
  const labels = deployment.template.metadata.labels;
  expect(deployment.selector.matchLabels).toEqual(labels);
  expect(ofKind('Service').spec).toMatchObject({ selector: labels, sessionAffinity: 'None' });
  expect(ofKind('PodDisruptionBudget').spec).toEqual({ minAvailable: 1, selector: { matchLabels: labels } });
});

test('a gateway may do no more than it needs', () => {
  expect(pod).toMatchObject({
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  });
  expect(gateway.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  expect(gateway.resources).toMatchObject({ requests: { memory: '512Mi' }, limits: { memory: '1Gi' } });
});
