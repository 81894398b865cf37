import { request as sendTo, type IncomingMessage } from 'node:http';
import { operationFor, undocumented } from '../../test/gateway/support/http/documented';
import { fuzzedRequests, type FuzzedRequest } from './fuzzed-requests';

/** A request that the gateway did not answer as it must. */
export class HttpFuzzFailure extends Error {
  override readonly name = 'HttpFuzzFailure';
}

/** How often each status came. */
export type Statuses = Readonly<Record<string, number>>;

const PATIENCE_MS = 15_000;
/** An event stream is left when it has lived for so long. */
const STREAM_MS = 30;

interface Heard {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** What must be in no answer: our stack, ComfyUI's, or what R13 keeps back. */
const SECRETS = /Traceback|\bat \S+ \(.*:\d+:\d+\)|node_modules|clientId|"session"|"runId"/;

/** Sends requests to a gateway whose tokens are the tests’, and throws `HttpFuzzFailure` at the first wrong answer. */
export async function fuzzedHttp(url: string, seed: number) {
  const jobs = new Set<string>();
  const next = await fuzzedRequests(seed, () => [...jobs].slice(-50));

  async function once(): Promise<number> {
    const fuzzed = next();
    const answer = await heard(url, fuzzed);
    const complaint = wrongWith(fuzzed, answer);
    if (complaint !== undefined)
      throw new HttpFuzzFailure(`seed ${seed}: ${complaint}\n${described(fuzzed)}\n${answer.text.slice(0, 2000)}`);
    const promptId = /^\/jobs\/([\w-]+)$/.exec(answer.headers['location'] ?? '')?.[1];
    if (promptId !== undefined) jobs.add(promptId);
    return answer.status;
  }

  /** Sends so many, eight at a time. */
  return {
    jobs,
    async run(count: number): Promise<Statuses> {
      const statuses: Record<string, number> = {};
      let left = count;
      const lane = async (): Promise<void> => {
        while (left > 0) {
          left -= 1;
          const status = await once();
          statuses[status] = (statuses[status] ?? 0) + 1;
        }
      };
      await Promise.all(Array.from({ length: 8 }, lane));
      return statuses;
    },
  };
}

function wrongWith({ method, path, headers }: FuzzedRequest, answer: Heard): string | undefined {
  const { status, text } = answer;
  if (status >= 500) return `answered ${status}`;
  if (SECRETS.test(text) && !path.endsWith('api.json')) return 'the answer tells too much';
  const plain = path.split('?')[0]!;
  const isPlain = !['.', '..'].some((each) => plain.split('/').includes(each));
  if (operationFor(method, plain) === undefined || !isPlain) return status === 405 || status < 500 ? undefined : 'odd';
  // What Node's own parser refuses never reaches us.
  if ((status === 400 || status === 431) && answer.headers['content-type'] === undefined) return undefined;
  if (headers['Range'] !== undefined && status === 416) return undefined;
  const complaints = undocumented(method, plain, { ...answer, json: {} });
  return complaints.length > 0 ? complaints.join('; ') : undefined;
}

const described = ({ method, path, headers, body }: FuzzedRequest): string =>
  `${method} ${path.slice(0, 300)}\n${JSON.stringify(headers).slice(0, 600)}\n${body?.toString('latin1').slice(0, 1000) ?? ''}`;

function heard(url: string, { method, path, headers, body }: FuzzedRequest): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const asked = sendTo({ hostname, port, method, path, headers, agent: false, timeout: PATIENCE_MS });
    asked.once('timeout', () => asked.destroy(new Error(`nothing for ${PATIENCE_MS} ms`)));
    asked.once('error', (error) => {
      // A body that nobody wants to read to its end may meet a closed door.
      if (/EPIPE|ECONNRESET/.test(error.message) && body !== undefined) resolve({ status: 0, headers: {}, text: '' });
      else
        reject(new HttpFuzzFailure(`${error.message}\n${described({ method, path, headers, ...(body && { body }) })}`));
    });
    asked.once('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      const over = (): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
          text: Buffer.concat(chunks).toString(),
        });
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', over).once('close', over);
      if (response.headers['content-type']?.startsWith('text/event-stream'))
        setTimeout(() => asked.destroy(), STREAM_MS);
    });
    asked.end(body);
  });
}
