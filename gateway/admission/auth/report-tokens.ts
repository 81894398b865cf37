import { hkdfSync } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { bounds } from '../../../streams/bounds';
import type { JobState } from '../../../streams/job/job-state';
import type { Viewer } from './auth';
import { TokenRefused } from './token-refused';

/** Tokens that allow to report one job, and nothing else. They are not stored; a job may be given several. */
export interface ReportTokens {
  readonly sign: (job: Pick<JobState, 'promptId' | 'userId' | 'deadlineAt'>) => Promise<ReportToken>;
  /**
   * The user whose job it is, if the token is for reports of this job; `undefined` if it is no token for reports.
   * Rejects with `TokenRefused`, which says why, if it is for another job or has expired.
   */
  readonly viewerOf: (token: string, promptId: string) => Promise<Viewer | undefined>;
}

export interface ReportToken {
  readonly token: string;
  /** When it expires, ms since 1970: at the job's deadline, or in 30 days. */
  readonly expiresAt: number;
}

const AUDIENCE = 'comfyui-jobstream:report';
const SCOPE = 'report';

/** Makes tokens under a key derived from `secret`, the one of users' tokens, which all instances have. */
export function reportTokens(secret: Uint8Array, nowMs: () => number = Date.now): ReportTokens {
  // A derived key, so that no token for reports is a valid token of a user.
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
