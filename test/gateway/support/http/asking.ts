import { lookThrough } from '../../../support/jest/canary';
import type { RunningGateway } from '../running-gateway';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The body's JSON; an empty object where it is none. */
  readonly json: Readonly<Record<string, unknown>>;
}

interface Asking {
  readonly body?: unknown;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Asks a gateway as a program would: `asking(gateway)('POST', '/jobs', { body })`. Each time over a connection of its own: one
 * that was kept is closed after 5 s without a request, which a busy machine notices only when it has sent the next.
 */
export const asking =
  ({ url }: Pick<RunningGateway, 'url'>) =>
  async (method: string, path: string, { body, token, headers = {} }: Asking = {}): Promise<Answer> => {
    const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const bearer = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const all = { Connection: 'close', ...type, ...bearer, ...headers };
    const answer = await fetch(url + path, { method, ...sent, headers: all });
    const text = await answer.text();
    lookThrough(`${method} ${path}`, text + JSON.stringify([...answer.headers]));
    return { status: answer.status, headers: Object.fromEntries(answer.headers), text, json: parsed(text) };
  };

const parsed = (text: string): Readonly<Record<string, unknown>> => {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
};
