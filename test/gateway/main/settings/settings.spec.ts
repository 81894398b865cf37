import * as E from 'fp-ts/Either';
import { complaintOf, settingsOf } from '../../../../gateway/cli/settings/settings';

const SECRET = 'a secret of settings, 32 bytes and more';
const good = { COMFYUI_URL: 'http://127.0.0.1:8188' };

const fieldsOf = (environment: Record<string, string>): readonly string[] => {
  const settings = settingsOf(environment);
  return E.isLeft(settings) ? settings.left.map(({ field }) => field) : [];
};
const settings = (environment: Record<string, string>) => {
  const decoded = settingsOf(environment);
  if (E.isLeft(decoded)) throw new Error(complaintOf(decoded.left));
  return decoded.right;
};

test('one URL is enough: loopback, embedded store, no tokens', () => {
  expect(settings(good)).toEqual({
    servers: [{ url: 'http://127.0.0.1:8188' }],
    store: { tag: 'embedded', directory: './data' },
    storeStrict: false,
    logLevel: 'info',
    // What is absent has the defaults of `createPipeline` and `startGateway`.
    pipeline: { userLimits: {} },
    gateway: { port: 8787, rates: {}, downloads: {} },
  });
});

test('spaces and line breaks around a value are none of it, as a file may add them', () => {
  const spaced = { REDIS_URL: ' redis://127.0.0.1:6379\n', PORT: '80\r\n', HOST: ' ::1', LOG_LEVEL: 'warn ' };
  const { store, logLevel, gateway } = settings({ ...good, ...spaced });
  expect({ store, logLevel, gateway }).toMatchObject({
    store: { url: 'redis://127.0.0.1:6379' },
    logLevel: 'warn',
    gateway: { host: '::1', port: 80 },
  });
});

test('metrics and the gateway may have one port at different addresses only', () => {
  const at = (HOST: string, METRICS_HOST: string) =>
    fieldsOf({ ...good, JWT_SECRET: SECRET, PORT: '9000', METRICS_PORT: '9000', HOST, METRICS_HOST });
  expect([at('10.0.0.5', '127.0.0.1'), at('0.0.0.0', '127.0.0.1'), at('10.0.0.5', '10.0.0.5')]).toEqual([
    [],
    ['METRICS_PORT'],
    ['METRICS_PORT'],
  ]);
});

test('all of them', () => {
  const environment = {
    COMFYUI_URL: 'https://pod-8188.proxy.runpod.net/, http://user:pass@10.0.0.5:8188/comfy',
    REDIS_URL: 'rediss://:password@redis:6379/1',
    HOST: '0.0.0.0',
    PORT: '0',
    LOG_LEVEL: 'silent',
    JWT_SECRET: SECRET,
    JWT_ISSUER: 'https://app.example.com',
    JWT_AUDIENCE: 'jobs',
    JWT_MAX_HOURS: '8',
    JWT_TOLERANCE_S: '0',
    ORIGINS: 'https://app.example.com/, http://localhost:3000',
    STORE_STRICT: '1',
    WEBHOOK_SECRET: `whsec_${Buffer.from(SECRET).toString('base64')}`,
    WEBHOOK_HOSTS: 'hooks.internal, *.svc.local',
    REQUESTS_PER_MINUTE: '0',
    MESSAGES_PER_SECOND: '1',
    JOINS_PER_SECOND: '2',
    SOCKETS_PER_USER: '3',
    MAX_BODY_BYTES: '1000',
    MAX_INPUT_BYTES: '2000',
    BYTES_PER_MINUTE: '3000',
    ENDED_BYTES_PER_USER: '4000',
    PROXIES: '1',
    BASE_PATH: '/comfy/',
    MAX_OUTPUT_BYTES: '4294967296',
    DOWNLOADS_PER_USER: '0',
    JOB_TIMEOUT_MS: '0',
    JOBS_PER_USER: '20',
    WORKFLOW_BYTES_PER_USER: '3000000000',
  };
  expect(settings(environment)).toEqual({
    servers: [{ url: 'https://pod-8188.proxy.runpod.net' }, { url: 'http://user:pass@10.0.0.5:8188/comfy' }],
    store: { tag: 'redis', url: 'rediss://:password@redis:6379/1' },
    storeStrict: true,
    logLevel: 'silent',
    auth: {
      secret: new TextEncoder().encode(SECRET),
      issuer: 'https://app.example.com',
      audience: 'jobs',
      maxHours: 8,
      toleranceS: 0,
    },
    webhooks: { secret: Buffer.from(SECRET), hosts: ['hooks.internal', '*.svc.local'] },
    pipeline: { timeoutMs: Number.POSITIVE_INFINITY, userLimits: { jobs: 20, bytes: 3_000_000_000 } },
    gateway: {
      host: '0.0.0.0',
      port: 0,
      origins: ['https://app.example.com', 'http://localhost:3000'],
      bodyLimitBytes: 1000,
      inputLimitBytes: 2000,
      rates: {
        requestsPerMinute: 0,
        bytesPerMinute: 3000,
        endedBytesPerUser: 4000,
        messagesPerSecond: 1,
        joinsPerSecond: 2,
        socketsPerUser: 3,
      },
      proxies: 1,
      basePath: '/comfy',
      outputLimitBytes: 2 ** 32,
      downloads: { perUser: 0 },
    },
  });
});

test('tokens may be signed by somebody who publishes his keys', () => {
  const JWT_JWKS_URL = 'https://id.example.com/.well-known/jwks.json';
  expect(settings({ ...good, HOST: '0.0.0.0', JWT_JWKS_URL, JWT_AUDIENCE: 'jobs' }).auth).toEqual({
    jwksUrl: new URL(JWT_JWKS_URL),
    audience: 'jobs',
  });
  expect(settings({ ...good, JWT_JWKS_URL: 'http://127.0.0.1:9000/keys' }).auth).toBeDefined();
  expect(fieldsOf({ ...good, JWT_JWKS_URL, JWT_SECRET: SECRET })).toEqual(['JWT_JWKS_URL']);
});

test('an empty variable is an absent one', () => {
  expect(settings({ ...good, REDIS_URL: '', JWT_SECRET: '', PORT: '' })).toEqual(settings(good));
});

test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('without tokens, %s may be listened on', (HOST) => {
  expect(settings({ ...good, HOST }).gateway.host).toBe(HOST);
});

test.each([
  ['COMFYUI_URL', ''],
  ['COMFYUI_URL', ' , '],
  ['COMFYUI_URL', 'ftp://comfy'],
  ['COMFYUI_URL', 'comfy:8188'],
  ['COMFYUI_URL', 'http://a:8188,nonsense'],
  ['COMFYUI_URL', 'http://a:8188?token=x'],
  ['COMFYUI_URL', 'http://a:8188,http://a:8188/'],
  ['REDIS_URL', 'http://redis:6379'],
  ['REDIS_URL', 'redis'],
  ['DATA_DIR', ' '],
  ['COMFYUI_URL', 'http://ada:100%@10.0.0.5:8188'],
  ['COMFYUI_URL', 'http://ada%:20@10.0.0.5:8188'],
  ['METRICS_PORT', '8787'],
  ['HOST', 'http://0.0.0.0'],
  ['HOST', '0.0.0.0:80'],
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '80a'],
  ['PORT', '8e3'],
  ['LOG_LEVEL', 'loud'],
  ['JWT_SECRET', 'too short'],
  ['JWT_SECRET', ' '.repeat(32)],
  ['JWT_SECRET', `${SECRET}\n`],
  ['JWT_SECRET', `short${' '.repeat(40)}`],
  ['JWT_SECRET', 's'.repeat(64)],
  ['JWT_SECRET', 'abcabcabcabcabcabcabcabcabcabcabcabc'],
  ['JWT_SECRET', '0123456789abcdef0123456789abcdef0123'],
  ['JWT_MAX_HOURS', '8'],
  ['JWT_TOLERANCE_S', '5'],
  ['JWT_ISSUER', 'no secret beside it'],
  ['JWT_AUDIENCE', 'no secret beside it'],
  ['JWT_JWKS_URL', 'http://id.example.com/keys'],
  ['JWT_JWKS_URL', 'https://user:pass@id.example.com/keys'],
  ['JWT_JWKS_URL', 'id.example.com'],
  ['REQUESTS_PER_MINUTE', '-1'],
  ['MESSAGES_PER_SECOND', '1.5'],
  ['JOINS_PER_SECOND', 'many'],
  ['SOCKETS_PER_USER', '1e3'],
  ['PROXIES', 'true'],
  ['WEBHOOK_SECRET', SECRET],
  ['WEBHOOK_SECRET', 'whsec_c2hvcnQ='],
  ['WEBHOOK_SECRET', `whsec_${Buffer.alloc(32, 7).toString('base64')}`],
  ['WEBHOOK_HOSTS', 'no.secret.beside.it'],
  ['ORIGINS', '*'],
  ['ORIGINS', 'app.example.com'],
  ['ORIGINS', 'https://app.example.com/path'],
  ['HOST', '0.0.0.0'],
  ['HOST', 'gateway.example.com'],
  ['HOST', '127.0.0.1.example.com'],
])('%s=%s is refused by name', (name, value) => {
  expect(fieldsOf({ ...good, [name]: value })).toEqual([name]);
});

test('every bad one is named at once, those that contradict each other too', () => {
  const bad = { REDIS_URL: 'x', PORT: 'x', LOG_LEVEL: 'x', HOST: '0.0.0.0', ORIGINS: 'x' };
  expect(fieldsOf(bad)).toEqual(['COMFYUI_URL', 'REDIS_URL', 'PORT', 'LOG_LEVEL', 'ORIGINS', 'HOST']);
});

test('[R13] the complaint holds no value', () => {
  const secrets = {
    COMFYUI_URL: 'ftp://u:hunter2@x',
    REDIS_URL: 'http://:hunter2@x',
    JWT_SECRET: 'hunter2',
    HOST: 'hunter2:1',
  };
  const decoded = settingsOf(secrets);
  const complaint = E.isLeft(decoded) ? complaintOf(decoded.left) : '';
  expect(complaint).not.toContain('hunter2');
  for (const name of Object.keys(secrets)) expect(complaint).toContain(name);
});
