import { jwtVerify, type JWTPayload } from 'jose';
import type { JobState } from '../streams/job-state';
import type { AuthSettings } from './settings';

/** Who asks. A `user` has their own jobs, a `service` has all. */
export interface Viewer {
  readonly userId: string;
  readonly role: 'user' | 'service';
  /** When the token ends, milliseconds since 1970; absent where it does not. */
  readonly expiresAt?: number;
}

export interface Auth {
  /** Whether a token is needed at all. */
  readonly required: boolean;
  /** Whose token it is, or `undefined` for a missing, forged or expired one. Never rejects. */
  viewerOf(token: string | undefined): Promise<Viewer | undefined>;
}

/** Everybody is the service: for a gateway that only this machine can reach. */
export const openAuth: Auth = {
  required: false,
  viewerOf: () => Promise.resolve({ userId: 'local', role: 'service' }),
};

/** HS256 tokens: `sub` is the user, `role: 'service'` sees all. The algorithm is pinned, whatever the token's header says. */
export const tokenAuth = ({ secret, issuer, audience }: AuthSettings): Auth => ({
  required: true,
  async viewerOf(token) {
    if (token === undefined) return undefined;
    const options = { algorithms: ['HS256'], ...(issuer && { issuer }), ...(audience && { audience }) };
    return jwtVerify(token, secret, options).then(
      ({ payload }) => viewerFrom(payload),
      () => undefined,
    );
  },
});

/** Whether the viewer may know that the job exists. */
export const maySee = (viewer: Viewer, job: Pick<JobState, 'userId'>): boolean =>
  viewer.role === 'service' || viewer.userId === job.userId;

/** The token of an `Authorization: Bearer …` header. */
export const bearerToken = (header: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];

const viewerFrom = ({ sub, exp, role }: JWTPayload): Viewer | undefined => {
  const expiry = exp === undefined ? {} : { expiresAt: exp * 1000 };
  if (role === 'service') return { userId: sub ?? 'service', role, ...expiry };
  return sub ? { userId: sub, role: 'user', ...expiry } : undefined;
};
