import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { exportJWK, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { keyPair } from './key-pairs';

/** Somebody who signs tokens and publishes his keys. */
export interface KeyPublisher {
  readonly url: URL;
  /** How often the keys were fetched. */
  readonly fetches: () => number;
  /** What it answers instead of its keys; -1 for nothing at all. */
  answer: number | undefined;
  /** Packs what it answers, whatever the caller takes. */
  isPacked: boolean;
  /** A valid token, signed with the newest key unless told otherwise. */
  sign(claims: JWTPayload, more?: { readonly kid?: string; readonly expires?: string }): Promise<string>;
  /** Publishes such a key besides. */
  publish(kid: string, jwk: object): void;
  /** Adds a key of that algorithm, and signs with it from now on. */
  rotate(alg: string): Promise<void>;
  close(): Promise<void>;
}

export async function startKeyPublisher(alg = 'RS256'): Promise<KeyPublisher> {
  const keys = new Map<string, { readonly alg: string; readonly key: CryptoKey; readonly jwk: object }>();
  const others: object[] = [];
  let newest = '';
  let fetches = 0;
  const server = createServer((_request, response) => {
    fetches += 1;
    if (publisher.answer === -1) return;
    const { answer, isPacked } = publisher;
    const coding = isPacked && { 'Content-Encoding': 'gzip' };
    response.writeHead(answer ?? 200, { 'Content-Type': 'application/json', ...coding });
    const all = [...others, ...[...keys.values()].map(({ jwk }) => jwk)];
    const text = answer === undefined ? JSON.stringify({ keys: all }) : '{}';
    response.end(isPacked ? gzipSync(text) : text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const publisher: KeyPublisher = {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`),
    fetches: () => fetches,
    answer: undefined,
    isPacked: false,
    async sign(claims, { kid = newest, expires = '1h' } = {}) {
      const { key, alg: itsAlg } = keys.get(newest)!;
      return new SignJWT(claims).setProtectedHeader({ alg: itsAlg, kid }).setExpirationTime(expires).sign(key);
    },
    publish: (kid, jwk) => void others.push({ ...jwk, kid, use: 'sig' }),
    async rotate(itsAlg) {
      newest = `key-${keys.size + 1}`;
      const { publicKey, privateKey } = await keyPair(itsAlg, newest);
      const jwk = { ...(await exportJWK(publicKey)), kid: newest, use: 'sig' };
      keys.set(newest, { alg: itsAlg, key: privateKey, jwk });
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await publisher.rotate(alg);
  return publisher;
}
