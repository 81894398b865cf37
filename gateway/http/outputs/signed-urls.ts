import { hkdfSync, randomBytes } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { firstValueFrom, type Observable } from 'rxjs';
import { bounds } from '../../../streams/bounds';
import type { Viewer } from '../../admission/auth/auth';

/** Texts by name that all instances share, in a store. */
export interface SharedNames {
  /** Stores a text under a name for a day, unless an instance has stored one already. Emits the one that is stored. */
  reserve(name: string, text: string): Observable<string>;
}

/** What signatures are made with: a secret that all instances know, or random keys that they share in the store. */
export type UrlKeys = { readonly secret: Uint8Array } | { readonly names: SharedNames };

/** One output of one job, for one user. */
export interface SignedOutput {
  readonly userId: string;
  readonly promptId: string;
  readonly n: number;
}

/** Signatures that replace a token in the URL of one output, for 5 to 10 minutes. */
export interface UrlSigner {
  /** The same signature for 5 minutes, so that browsers can cache the URL. `until`: ms since 1970. */
  sign(output: SignedOutput): Promise<{ readonly signature: string; readonly until: number }>;
  /**
   * The user for whom it was signed; `undefined` if it is forged, expired or of another output. Rejects if the store
   * does.
   */
  viewerOf(signature: string, of: Pick<SignedOutput, 'promptId' | 'n'>): Promise<Viewer | undefined>;
}

const AUDIENCE = 'comfyui-jobstream:output';
/** A random key signs for 6 h; the store keeps it for a day. */
const PERIOD_MS = 6 * 3_600_000;

export function urlSigner(keys: UrlKeys, nowMs: () => number = Date.now): UrlSigner {
  const keyOf = 'secret' in keys ? derivedKey(keys.secret) : sharedKeys(keys.names);
  const periodOf = (ms: number): string => String(Math.floor(ms / PERIOD_MS));
  /**
   * A signature that has not expired ends in one of these two periods: it lives for at most 2 × `bounds.signedUrlMs`.
   */
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
        // The store did not answer, so the signature could not be checked.
        if (failed !== undefined) throw failed as Error;
        return undefined;
      }
    },
  };
}

type KeyOf = (period: string) => Promise<Uint8Array>;

/** A key derived from the tokens' secret, so that a signature is no valid token and a token no valid signature. */
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
