import { hkdfSync, randomBytes } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { firstValueFrom, type Observable } from 'rxjs';
import { bounds } from '../../../streams/bounds';
import type { Viewer } from '../../admission/auth/auth';

/** Texts by name that all instances share, as a store does. */
export interface SharedNames {
  /** Keeps a text under a name for a day, and emits the one that is kept, by whichever instance. */
  reserve(name: string, text: string): Observable<string>;
}

/** What the signatures of URLs are made with: a secret that all instances know, or random keys that they share. */
export type UrlKeys = { readonly secret: Uint8Array } | { readonly names: SharedNames };

/** One output of one job, for one user. */
export interface SignedOutput {
  readonly userId: string;
  readonly promptId: string;
  readonly n: number;
}

/** Signatures that stand for a token in the URL of one output, for some minutes. */
export interface UrlSigner {
  /** The same for the same output for some minutes, so that browsers may keep what they fetched. `until`: ms since 1970. */
  sign(output: SignedOutput): Promise<{ readonly signature: string; readonly until: number }>;
  /** Who may read that output by this signature, or `undefined` for any that is forged, expired or of something else. */
  viewerOf(signature: string, of: Pick<SignedOutput, 'promptId' | 'n'>): Promise<Viewer | undefined>;
}

const AUDIENCE = 'comfyui-jobstream:output';
/** A random key serves that long; names are kept for four times as long. */
const PERIOD_MS = 6 * 3_600_000;

export function urlSigner(keys: UrlKeys, nowMs: () => number = Date.now): UrlSigner {
  const keyOf = 'secret' in keys ? derivedKey(keys.secret) : sharedKeys(keys.names);
  const periodOf = (ms: number): string => String(Math.floor(ms / PERIOD_MS));
  /** No signature lives into others than these. */
  const isPresent = (period: string | undefined): period is string =>
    period === periodOf(nowMs()) || period === periodOf(nowMs() + 2 * bounds.signedUrlMs);

  return {
    async sign({ userId, promptId, n }) {
      const until = (Math.ceil(nowMs() / bounds.signedUrlMs) + 1) * bounds.signedUrlMs;
      const period = periodOf(until);
      const signature = await new SignJWT({ job: promptId, n })
        .setProtectedHeader({ alg: 'HS256', kid: period })
        .setSubject(userId)
        .setAudience(AUDIENCE)
        .setExpirationTime(until / 1000)
        .sign(await keyOf(period));
      return { signature, until };
    },
    async viewerOf(signature, { promptId, n }) {
      let failed: unknown;
      const key = async ({ kid }: { readonly kid?: string | undefined }): Promise<Uint8Array> => {
        if (!isPresent(kid)) throw new Error('a key of no present period');
        return keyOf(kid).catch((error: unknown) => {
          throw (failed = error);
        });
      };
      try {
        const options = { audience: AUDIENCE, algorithms: ['HS256'], currentDate: new Date(nowMs()) };
        const { payload } = await jwtVerify(signature, key, { ...options, requiredClaims: ['exp', 'sub'] });
        const { sub, exp = 0, job } = payload;
        if (sub === undefined || job !== promptId || payload['n'] !== n) return undefined;
        return { userId: sub, role: 'user', expiresAt: exp * 1000 };
      } catch {
        // A store that does not answer says nothing of the signature.
        if (failed !== undefined) throw failed as Error;
        return undefined;
      }
    },
  };
}

type KeyOf = (period: string) => Promise<Uint8Array>;

/** Another key than the tokens' own, so that no signature is a token and no token a signature. */
const derivedKey = (secret: Uint8Array): KeyOf => {
  const key = new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), AUDIENCE, 32));
  return () => Promise.resolve(key);
};

const sharedKeys = (names: SharedNames): KeyOf => {
  const known = new Map<string, Uint8Array>();
  return async (period) => {
    const key =
      known.get(period) ??
      Buffer.from(
        await firstValueFrom(names.reserve(`output-urls:${period}`, randomBytes(32).toString('base64'))),
        'base64',
      );
    known.set(period, key);
    for (const oldest of [...known.keys()].slice(0, -2)) known.delete(oldest);
    return key;
  };
};
