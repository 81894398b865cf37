import { pino } from 'pino';
import { io } from 'socket.io-client';
import { reliable } from '../../../gateway/admission/auth/own-auth';
import { startGateway, TokenRefused, type Auth, type Gateway } from '../../../gateway/server/index';
import { createPipeline, type Pipeline } from '../../../index';
import { bounds } from '../../../streams/bounds';
import { aStore } from '../../support/pipeline/stores';

/** What each token of the test is answered with. */
const answers: Record<string, () => unknown> = {
  throws: () => {
    throw new Error('a mistake of the application');
  },
  'throws a refusal': () => {
    throw new TokenRefused('The session is over.');
  },
  'rejects in its own words': () =>
    Promise.reject(new TokenRefused('Die Sitzung ist „vorbei“ — 再见 "x" \\ \r\nX-Own: 1')),
  'is null': () => Promise.resolve(null),
  'is no promise': () => ({ userId: 'ada', role: 'user' }),
  'is text': () => Promise.resolve('ada'),
  'is a number': () => Promise.resolve({ userId: 7, role: 'user' }),
  'has no user': () => Promise.resolve({ role: 'user' }),
  'has a user of two lines': () => Promise.resolve({ userId: 'ada\r\nbob', role: 'user' }),
  'has another role': () => Promise.resolve({ userId: 'ada', role: 'admin' }),
  'has no role': () => Promise.resolve({ userId: 'ada' }),
  'ends at no time': () => Promise.resolve({ userId: 'ada', role: 'user', expiresAt: Number.NaN }),
  'is over': () => Promise.resolve({ userId: 'ada', role: 'user', expiresAt: Date.now() - 1 }),
  'is of Object.prototype': () => Promise.resolve({ userId: '__proto__', role: 'user' }),
};
const auth = {
  required: true,
  viewerOf: (token: string | undefined) => answers[decodeURIComponent(token ?? '')]?.(),
} as Auth;

let pipeline: Pipeline;
let gateway: Gateway;
const lines: string[] = [];

beforeAll(async () => {
  pipeline = createPipeline({ servers: ['http://127.0.0.1:1'], store: aStore() });
  const logger = pino({}, { write: (line: string) => void lines.push(line) });
  gateway = await startGateway({ pipeline, port: 0, auth, logger });
});
afterAll(async () => {
  await gateway.close();
  await pipeline.close();
});

const asked = async (token: string, path: string) => {
  const headers = { authorization: `Bearer ${encodeURIComponent(token)}` };
  const response = await fetch(gateway.url + path, { headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
};
const knocked = (token: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = io(gateway.url, {
      transports: ['websocket'],
      reconnection: false,
      auth: { token: encodeURIComponent(token) },
    });
    const end = (what: string): void => {
      socket.close();
      resolve(what);
    };
    socket.on('connect', () => end('let in'));
    socket.on('connect_error', (error) => end((error as { data?: { code: string } }).data?.code ?? error.message));
  });

test.each<[token: string, status: number, code: string]>([
  ['throws', 500, 'internal'],
  ['throws a refusal', 401, 'unauthorized'],
  ['rejects in its own words', 401, 'unauthorized'],
  ['is null', 401, 'unauthorized'],
  ['is no promise', 200, 'let in'],
  ['is text', 500, 'internal'],
  ['is a number', 500, 'internal'],
  ['has no user', 500, 'internal'],
  ['has a user of two lines', 500, 'internal'],
  ['has another role', 500, 'internal'],
  ['has no role', 500, 'internal'],
  ['ends at no time', 500, 'internal'],
  ['is over', 401, 'unauthorized'],
  ['is of Object.prototype', 200, 'let in'],
])('an auth whose answer %s: %i over HTTP, %s over a socket', async (token, status, code) => {
  lines.length = 0;
  for (const path of ['/me', '/jobs', '/jobs/x/events']) {
    const answer = await asked(token, path);
    expect(answer.status).toBe(status === 200 && path.endsWith('events') ? 404 : status);
    expect(answer.headers.get('content-type')).toMatch(/json/);
    expect(answer.text).not.toMatch(/mistake|at .*\.ts/);
  }
  expect(await knocked(token)).toBe(code);
  // Whoever made the mistake is told of it.
  expect(lines.some((line) => /mistake of the application|auth.viewerOf answered with/.test(line))).toBe(
    status === 500,
  );
});

test('a refusal in an application’s own words is told as they are, and in a header as far as HTTP carries them', async () => {
  const { headers, text } = await asked('rejects in its own words', '/me');
  expect(JSON.parse(text)).toMatchObject({ detail: 'Die Sitzung ist „vorbei“ — 再见 "x" \\ \r\nX-Own: 1' });
  expect(headers.get('www-authenticate')).toBe(
    'Bearer error="invalid_token", error_description="Die Sitzung ist ?vorbei? ? ? ?x? ? ?X-Own: 1"',
  );
});

test('an auth that does not answer holds nobody up for good', async () => {
  jest.useFakeTimers();
  const told = reliable({ required: true, viewerOf: () => new Promise<never>(() => undefined) }).viewerOf('t');
  const refused = expect(told).rejects.toMatchObject({ name: 'KeysUnavailable' });
  await jest.advanceTimersByTimeAsync(bounds.authMs);
  await refused;
  jest.useRealTimers();
});
