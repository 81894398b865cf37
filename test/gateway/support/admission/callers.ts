import { SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { keyPair } from './key-pairs';
import type { KeyPublisher } from './key-publisher';
import { SECRET } from './tokens';

/** What the gateway makes of a caller: somebody whose job it is, another user, a service, or nobody. */
export type Rank = 'owner' | 'other' | 'service' | 'nobody';
/** Which of two gateways is asked: one that knows a secret, or one that fetches keys. */
export type By = 'secret' | 'keys';

export interface Caller {
  readonly name: string;
  readonly by: By;
  readonly rank: Rank;
  /** Whom the token names, where it is good. */
  readonly userId: string;
  readonly token: () => Promise<string | undefined>;
}

/** What both gateways want of a token. */
export const EXPECTED = { issuer: 'https://id.example.com', audience: 'jobs' };
const RIGHT = { iss: EXPECTED.issuer, aud: EXPECTED.audience };
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;
const another = new TextEncoder().encode('another secret, 32 bytes and a bit more');

/** Signs with the secret, or with what is given. */
const signed = (claims: JWTPayload, { alg = 'HS256', secret = SECRET } = {}): Promise<string> =>
  new SignJWT({ exp: inAnHour(), ...RIGHT, ...claims }).setProtectedHeader({ alg }).sign(secret);

/** Everybody who may come, with good tokens and with all kinds of bad ones. `publisher` is asked when its tokens are needed. */
export function callers(publisher: () => KeyPublisher): readonly Caller[] {
  const published = (claims: JWTPayload) => publisher().sign({ ...RIGHT, ...claims });
  const good = (name: string, by: By, rank: Rank, userId: string, token: Caller['token']): Caller => ({
    name,
    by,
    rank,
    userId,
    token,
  });
  const bad = (name: string, by: By, token: Caller['token']): Caller => good(name, by, 'nobody', 'ada', token);
  return [
    good('the owner', 'secret', 'owner', 'ada', () => signed({ sub: 'ada' })),
    good('another user', 'secret', 'other', 'bob', () => signed({ sub: 'bob' })),
    good('a user who calls himself admin', 'secret', 'other', 'bob', () => signed({ sub: 'bob', role: 'admin' })),
    good('a user of several audiences', 'secret', 'other', 'bob', () => signed({ sub: 'bob', aud: ['x', 'jobs'] })),
    good('a service', 'secret', 'service', 'service', () => signed({ role: 'service' })),
    good('a service of a user’s name', 'secret', 'service', 'bob', () => signed({ sub: 'bob', role: 'service' })),
    good('the owner, by a published key', 'keys', 'owner', 'ada', () => published({ sub: 'ada' })),
    good('another user, by a published key', 'keys', 'other', 'bob', () => published({ sub: 'bob' })),
    good('a service, by a published key', 'keys', 'service', 'service', () => published({ role: 'service' })),
    bad('no token', 'secret', () => Promise.resolve(undefined)),
    bad('no JWT', 'secret', () => Promise.resolve('no.j.wt')),
    bad('another algorithm', 'secret', () => signed({ sub: 'ada' }, { alg: 'HS512' })),
    bad('no algorithm', 'secret', () =>
      Promise.resolve(new UnsecuredJWT({ sub: 'ada', exp: inAnHour(), ...RIGHT }).encode()),
    ),
    bad('another secret', 'secret', () => signed({ sub: 'ada' }, { secret: another })),
    bad('a service by another secret', 'secret', () => signed({ role: 'service' }, { secret: another })),
    bad('an expired token', 'secret', () => signed({ sub: 'ada', exp: inAnHour() - 3660 })),
    bad('a token not valid yet', 'secret', () => signed({ sub: 'ada', nbf: inAnHour() - 3000 })),
    bad('another issuer', 'secret', () => signed({ sub: 'ada', iss: 'https://id.example.com.evil.example' })),
    bad('another audience', 'secret', () => signed({ sub: 'ada', aud: 'job' })),
    bad('no sub', 'secret', () => signed({})),
    bad('an empty sub', 'secret', () => signed({ sub: '' })),
    bad('a token of a published key', 'secret', () => published({ sub: 'ada' })),
    bad('a secret’s token', 'keys', () => signed({ sub: 'ada' })),
    bad('an unpublished key', 'keys', async () => {
      const { privateKey } = await keyPair('RS256', 'nobody');
      const header = { alg: 'RS256', kid: 'key-1' };
      return new SignJWT({ sub: 'ada', exp: inAnHour(), ...RIGHT }).setProtectedHeader(header).sign(privateKey);
    }),
    bad('an HMAC under what is public', 'keys', async () =>
      signed({ sub: 'ada' }, { secret: new TextEncoder().encode(await (await fetch(publisher().url)).text()) }),
    ),
  ];
}
