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

/** Asks a gateway as a program would: `asking(gateway)('POST', '/jobs', { body })`. */
export const asking =
  ({ url }: Pick<RunningGateway, 'url'>) =>
  async (method: string, path: string, { body, token, headers = {} }: Asking = {}): Promise<Answer> => {
    const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const bearer = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const answer = await fetch(url + path, { method, ...sent, headers: { ...type, ...bearer, ...headers } });
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
