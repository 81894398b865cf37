import { hkdfSync } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { bounds } from '../../../streams/bounds';
import type { JobState } from '../../../streams/job/job-state';
import type { Viewer } from './auth';
import { TokenRefused } from './token-refused';

/** Tokens that are good for telling of one job and for nothing else. None is kept anywhere: the same job may be given another. */
export interface ReportTokens {
  readonly sign: (job: Pick<JobState, 'promptId' | 'userId' | 'deadlineAt'>) => Promise<ReportToken>;
  /**
   * Whose job it is, where the token is one of this job; `undefined` for a token of a user, or of nobody. Rejects with
   * `TokenRefused`, which says why, for one of another job or one that has expired.
   */
  readonly viewerOf: (token: string, promptId: string) => Promise<Viewer | undefined>;
}

export interface ReportToken {
  readonly token: string;
  /** When it ends; ms since 1970. */
  readonly expiresAt: number;
}

const AUDIENCE = 'comfyui-jobstream:report';
const SCOPE = 'report';

/** `secret` is the one that users' tokens are signed with, and all instances have. */
export function reportTokens(secret: Uint8Array, nowMs: () => number = Date.now): ReportTokens {
  // Another key than the tokens' own: none of these is a token of a user, whatever is expected of one.
  const key = new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), AUDIENCE, 32));
  return {
    async sign({ promptId, userId, deadlineAt }) {
      const expiresAt = Math.ceil((deadlineAt ?? nowMs() + bounds.reportTokenMs) / 1000) * 1000;
      const token = await new SignJWT({ scope: SCOPE, promptId })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(userId)
        .setAudience(AUDIENCE)
        .setExpirationTime(expiresAt / 1000)
        .sign(key);
      return { token, expiresAt };
    },
    async viewerOf(token, promptId) {
      try {
        const options = { audience: AUDIENCE, algorithms: ['HS256'], currentDate: new Date(nowMs()) };
        const { payload } = await jwtVerify(token, key, { ...options, requiredClaims: ['exp', 'sub'] });
        const { sub, exp = 0, scope } = payload;
        if (sub === undefined || scope !== SCOPE) return undefined;
        if (payload['promptId'] !== promptId) throw new TokenRefused('The token is for the reports of another job.');
        return { userId: sub, role: 'user', expiresAt: exp * 1000 };
      } catch (error) {
        if (error instanceof errors.JWTExpired)
          throw new TokenRefused('The token for reports has expired.', { cause: error });
        if (error instanceof TokenRefused) throw error;
        return undefined;
      }
    },
  };
}
