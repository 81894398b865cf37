import { firstValueFrom, from, race, timer, map } from 'rxjs';
import { bounds } from '../../../streams/bounds';
import { isPlain } from '../../../streams/workflow/shown-text';
import type { Auth, Viewer } from './auth';
import { KeysUnavailable } from './jwks';
import { TokenRefused } from './token-refused';

/**
 * Guards against mistakes of an application's own `auth`. `viewerOf` rejects with what that throws or rejects with;
 * with a `TypeError` if the answer is no viewer, or has a `userId` that no job could have; with `TokenRefused` if the
 * viewer has expired; and with `KeysUnavailable` if no answer comes within `bounds.authMs` (8 s).
 */
export const reliable = (auth: Auth): Auth => ({
  required: auth.required,
  viewerOf: async (token) => {
    const asked = async (): Promise<unknown> => auth.viewerOf(token);
    const late$ = timer(bounds.authMs).pipe(
      map(() => {
        throw new KeysUnavailable(`auth.viewerOf did not answer for ${bounds.authMs} ms`);
      }),
    );
    return viewerFrom(await firstValueFrom(race(from(asked()), late$)));
  },
});

function viewerFrom(answer: unknown): Viewer | undefined {
  if (answer === undefined || answer === null) return undefined;
  if (typeof answer !== 'object') throw new TypeError('auth.viewerOf answered with no viewer');
  const { userId, role, expiresAt } = answer as Partial<Record<keyof Viewer, unknown>>;
  if (!isPlain(bounds.userIdLength, userId))
    throw new TypeError(
      `auth.viewerOf answered with a userId that is not text of 1 to ${bounds.userIdLength} characters, without control characters`,
    );
  if (role !== 'user' && role !== 'service')
    throw new TypeError("auth.viewerOf answered with a role that is neither 'user' nor 'service'");
  if (expiresAt === undefined) return { userId, role };
  if (typeof expiresAt !== 'number' || Number.isNaN(expiresAt))
    throw new TypeError('auth.viewerOf answered with an expiresAt that is no number of ms since 1970');
  if (expiresAt <= Date.now()) throw new TokenRefused('The token has expired.');
  return { userId, role, expiresAt };
}
