import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { settingsOf } from '../../../gateway/cli/settings/settings';
import { isSetting, settings } from './declared';

interface Service {
  readonly image?: string;
  readonly user?: string;
  readonly build?: unknown;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly stop_grace_period?: string;
  readonly security_opt?: readonly string[];
}

const text = readFileSync('docker-compose.yml', 'utf8');
const dockerfile = readFileSync('Dockerfile', 'utf8');
const { services, volumes } = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const all = Object.entries(services);
const gateways = all.filter(([name]) => name.startsWith('gateway-')).map(([, service]) => service);

test('there are two gateways, alike, behind nginx', () => {
  expect(gateways).toHaveLength(2);
  expect(gateways[0]).toEqual(gateways[1]);
  expect(Object.keys(services['nginx']?.depends_on ?? {})).toEqual(['gateway-1', 'gateway-2']);
  const told = [...readFileSync('ops/nginx/gateways.conf', 'utf8').matchAll(/^server (\S+):(\d+) /gm)];
  const { PORT } = gateways[0]?.environment ?? {};
  expect(told.map(([, host, port]) => [host, port])).toEqual([
    ['gateway-1', PORT],
    ['gateway-2', PORT],
  ]);
});

test('every setting that a gateway is given is one', () => {
  for (const { environment = {} } of gateways) {
    expect(Object.keys(environment).length).toBeGreaterThan(10);
    expect(Object.keys(environment).filter((name) => !isSetting(name))).toEqual([]);
    expect(environment['PROXIES']).toBe('${PROXIES:-1}');
  }
});

test('every setting reaches the gateways under its own name, but for those that Compose itself must set', () => {
  const own = ['HOST', 'PORT', 'REDIS_URL', 'METRICS_HOST', 'METRICS_PORT'];
  for (const { environment = {} } of gateways) {
    // States are in Redis.
    expect(settings.filter((name) => environment[name] === undefined)).toEqual(['DATA_DIR']);
    for (const [name, value] of Object.entries(environment))
      if (!own.includes(name)) expect(value).toMatch(new RegExp(`^\\$\\{${name}(:-|:?\\?)`));
  }
});

test('Compose gives settings with which a gateway starts, and beyond this machine only with tokens', () => {
  const [{ environment = {} } = {}] = gateways;
  const given = { COMFYUI_URL: 'http://comfyui:8188', REDIS_PASSWORD: 'x' };
  const secret = randomBytes(32).toString('base64');
  expect(settingsOf(interpolated(environment, { ...given, JWT_SECRET: secret }))).toMatchObject({
    right: { gateway: { host: '0.0.0.0', proxies: 1 }, logLevel: 'info' },
  });
  const keys = 'https://login.example.com/keys';
  expect(settingsOf(interpolated(environment, { ...given, JWT_SECRET: '', JWT_JWKS_URL: keys }))).toMatchObject({
    right: { auth: { jwksUrl: new URL(keys) } },
  });
  expect(settingsOf(interpolated(environment, { ...given, JWT_SECRET: '' }))).toMatchObject({
    left: [{ field: 'HOST' }],
  });
});

/** As Compose puts in what it is given. */
const interpolated = (environment: Readonly<Record<string, string>>, given: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.replace(
        /\$\{(\w+)(?::-([^}]*)|:?\?[^}]*)\}/g,
        (_, asked: string, instead = '') => given[asked] ?? String(instead),
      ),
    ]),
  );

test('Prometheus asks each gateway where it serves metrics, and Grafana asks Prometheus', () => {
  const [{ targets }] = parse(readFileSync('ops/prometheus/targets.yml', 'utf8')) as [{ targets: string[] }];
  const { METRICS_PORT, METRICS_HOST } = gateways[0]?.environment ?? {};
  expect(METRICS_HOST).toBe('0.0.0.0');
  expect(targets).toEqual([`gateway-1:${METRICS_PORT ?? ''}`, `gateway-2:${METRICS_PORT ?? ''}`]);
  const source = readFileSync('ops/grafana/provisioning/datasources/prometheus.yml', 'utf8');
  expect(source).toContain('url: ${PROMETHEUS_URL}');
  expect(services['grafana']?.environment?.['PROMETHEUS_URL']).toBe('http://prometheus:9090');
});

test('nothing is published beyond this machine, and the start needs secrets', () => {
  const published = all.flatMap(([, { ports = [] }]) => ports);
  expect(published.length).toBeGreaterThan(0);
  for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  expect(services['redis']?.ports).toBeUndefined();
  for (const { environment = {} } of gateways) {
    expect(environment['JWT_SECRET']).toMatch(/^\$\{JWT_SECRET\?/);
    expect(environment['COMFYUI_URL']).toMatch(/^\$\{COMFYUI_URL:\?/);
    expect(environment['REDIS_URL']).toMatch(/\$\{REDIS_PASSWORD:\?/);
  }
  for (const [, { command = [] }] of all) expect(command.join(' ')).not.toContain('PASSWORD');
});

test('Redis keeps what it acknowledged and evicts nothing', () => {
  const conf = readFileSync('ops/redis/redis.conf', 'utf8');
  expect(conf).toMatch(/^appendonly yes$/m);
  expect(conf).toMatch(/^maxmemory-policy noeviction$/m);
  expect(services['redis']?.volumes).toContain('redis:/data');
  const [, most = ''] = /^maxmemory (\d+)mb$/m.exec(conf) ?? [];
  // What a rewrite of the append-only file may take on top.
  expect(Number(most)).toBeLessThan(megabytes(services['redis']?.mem_limit));
});

test('nobody may take all of the machine, or become somebody else', () => {
  for (const [name, { mem_limit, pids_limit, security_opt }] of all) {
    expect([name, megabytes(mem_limit) > 0, Number(pids_limit) > 0]).toEqual([name, true, true]);
    expect([name, security_opt]).toEqual([name, ['no-new-privileges:true']]);
  }
});

test('every image is of one exact version', () => {
  for (const [name, { image, build }] of all)
    if (build === undefined) expect([name, image]).toEqual([name, expect.stringMatching(/:v?\d+\.\d+\.\d+[\w.-]*$/)]);
  for (const [, image] of dockerfile.matchAll(/^FROM (\S+)/gm)) expect(image).toMatch(/:\d+\.\d+\.\d+-/);
});

test('every file and volume that is mounted is there', () => {
  const mounted = all.flatMap(([, { volumes: mounts = [] }]) => mounts.map((mount) => mount.split(':')[0] ?? ''));
  expect(mounted.length).toBeGreaterThan(2);
  for (const source of mounted)
    expect([source, source.startsWith('./') ? existsSync(join('.', source)) : source in volumes]).toEqual([
      source,
      true,
    ]);
});

test('there is time to drain, and a signal reaches the process', () => {
  for (const { stop_grace_period } of gateways) expect(stop_grace_period).toBe('15s');
  expect(dockerfile).toMatch(/^CMD \["node", "dist\/gateway\/cli\/main\.js"\]$/m);
});

test('the image runs as nobody special, without what only the build needs', () => {
  expect(dockerfile.match(/^FROM /gm)).toHaveLength(2);
  expect(dockerfile).toMatch(/npm prune --omit=dev/);
  expect(dockerfile.lastIndexOf('USER node')).toBeGreaterThan(dockerfile.lastIndexOf('FROM '));
});

test('an image gets what the Dockerfile copies, and nothing that lies about', () => {
  const ignored = readFileSync('.dockerignore', 'utf8').split('\n');
  expect(ignored.filter((line) => line !== '' && !line.startsWith('#'))[0]).toBe('*');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) => names!.split(' '));
  for (const name of copied) expect(ignored).toContain(`!${name}`);
  // What the build copies into packages is there.
  const scripts = readdirSync('scripts').filter((name) => name.endsWith('.mjs'));
  const wanted = scripts.flatMap((name) =>
    [...readFileSync(`scripts/${name}`, 'utf8').matchAll(/copyFileSync\('([^']+)'/g)].map(([, file]) => file),
  );
  expect(wanted).toContain('LICENSE');
  for (const file of wanted) expect(copied).toContain(file);
});

function megabytes(limit = ''): number {
  const [, count = '0', unit] = /^(\d+)([mg])$/.exec(limit) ?? [];
  return Number(count) * (unit === 'g' ? 1024 : 1);
}
