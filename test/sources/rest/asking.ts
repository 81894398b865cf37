import { lastValueFrom } from 'rxjs';
import { NoAnswer } from '../../../sources/rest/no-answer';
import { rest, type Answer, type Rest, type RestLimits } from '../../../sources/rest/rest';
import { serverAddress } from '../../../sources/server-address';
import { stopAll } from '../../support/comfyui/client/comfyui-client';
import { tcpProxy, type TcpProxy } from '../../support/network/tcp-proxy';

const clients: Rest[] = [];
export const proxies: Pick<TcpProxy, 'close'>[] = [];

/** Closes all clients, proxies and servers. */
export const closeAll = async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await stopAll();
};

const limits: RestLimits = { timeoutMs: 2_000, maxBytes: 64 << 20, breakAfter: 5 };

export function asking(url: string, more: Partial<RestLimits> = {}): Rest {
  const client = rest(serverAddress(url), { ...limits, ...more });
  clients.push(client);
  return client;
}

export async function proxied(url: string): Promise<TcpProxy> {
  const proxy = await tcpProxy(url);
  proxies.push(proxy);
  return proxy;
}

export const ask = (client: Rest, path = '/prompt'): Promise<Answer> => lastValueFrom(client.get(path));

/** The `NoAnswer` that a request comes to. */
export const refusal = async (answer: Promise<unknown>): Promise<NoAnswer> => {
  const error = await answer.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(NoAnswer);
  return error as NoAnswer;
};
