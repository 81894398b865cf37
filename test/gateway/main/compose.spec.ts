import { readFileSync } from 'node:fs';

const compose = readFileSync('docker-compose.yml', 'utf8');
const dockerfile = readFileSync('Dockerfile', 'utf8');

/** The lines of one service, its own indentation taken off. */
const service = (name: string): string =>
  new RegExp(`^  ${name}:\\n((?:    .*\\n|\\n)+)`, 'm').exec(compose)?.[1] ?? '';

test('Redis keeps what it acknowledged and evicts nothing', () => {
  expect(service('redis')).toMatch(/'--appendonly', 'yes'/);
  expect(service('redis')).toMatch(/'--maxmemory-policy', 'noeviction'/);
  expect(service('redis')).toContain("volumes: ['redis:/data']");
  expect(service('redis')).not.toContain('ports:');
});

test('nothing is published beyond this machine, and the start needs a secret', () => {
  const published = [...compose.matchAll(/'([^']*:\d+)'\]/g)]
    .map(([, port]) => port)
    .filter((port) => /\d+:\d+$/.test(port!));
  expect(published).toEqual(['127.0.0.1:8787:8787']);
  expect(service('gateway')).toMatch(/JWT_SECRET: \$\{JWT_SECRET:\?/);
  expect(service('gateway')).toMatch(/COMFYUI_URL: \$\{COMFYUI_URL:\?/);
});

test('there is time to drain, and a signal reaches the process', () => {
  expect(service('gateway')).toMatch(/stop_grace_period: 15s/);
  expect(dockerfile).toMatch(/^CMD \["node", "dist\/gateway\/cli\/main\.js"\]$/m);
});

test('the image runs as nobody special, without what only the build needs', () => {
  expect(dockerfile.match(/^FROM /gm)).toHaveLength(2);
  expect(dockerfile).toMatch(/npm prune --omit=dev/);
  expect(dockerfile.lastIndexOf('USER node')).toBeGreaterThan(dockerfile.lastIndexOf('FROM '));
});

test('neither service may take all of the machine', () => {
  for (const name of ['redis', 'gateway']) {
    expect(service(name)).toMatch(/mem_limit: \d+[mg]/);
    expect(service(name)).toMatch(/pids_limit: \d+/);
  }
});

test('an image gets what the Dockerfile copies, and nothing that lies about', () => {
  const ignored = readFileSync('.dockerignore', 'utf8').split('\n');
  expect(ignored.filter((line) => line !== '' && !line.startsWith('#'))[0]).toBe('*');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) => names!.split(' '));
  for (const name of copied) expect(ignored).toContain(`!${name}`);
});
