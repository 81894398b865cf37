import { promisify } from 'node:util';
import { unzip } from 'node:zlib';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  type JWTVerifyGetKey,
} from 'jose';
import { lastValueFrom } from 'rxjs';
import { Agent, request, type Dispatcher } from 'undici';
import { bounds } from '../../../streams/bounds';
import { interimAnswers } from '../../../streams/operators/interim-answers';
import { withDeadline } from '../../../streams/operators/with-deadline';
import { messageOf } from '../../../streams/workflow/shown-text';

/**
 * A token cannot be checked right now: its issuer's keys cannot be fetched, or an application's `auth` gives no answer.
 */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/** How long fetching the keys may take. */
const PATIENCE_MS = 5_000;
/** Keys are fetched again after 10 min; for a token whose key is not among them after 30 s at the earliest. */
const FRESH_MS = 600_000;
const COOLDOWN_MS = 30_000;
/** How long keys are trusted, since they were fetched, while their URL does not answer. */
const STALE_MS = 3_600_000;
/** For 5 s after a failed fetch no other is tried, so that callers do not wait for the same failure. */
const PAUSE_MS = 5_000;

/**
 * The keys published at a URL, fetched when they are needed. The getter rejects with `KeysUnavailable` if there are
 * none.
 */
export function publishedKeys(url: URL, onTrouble: (error: unknown) => void, nowMs: () => number): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(url, {
    timeoutDuration: PATIENCE_MS,
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: FRESH_MS,
    [customFetch]: fetchOver(new Agent()),
  });
  let failedAt = -Infinity;
  let toldAt = -Infinity;
  let fetchedAt = -Infinity;

  const tellSparingly = (error: unknown): void => {
    if (nowMs() - toldAt < FRESH_MS) return;
    toldAt = nowMs();
    onTrouble(error);
  };

  /**
   * Looks in the keys fetched before, for up to an hour. A key that is not among them may be new: `KeysUnavailable`.
   */
  const stale: JWTVerifyGetKey = async (header, token) => {
    const known = nowMs() - fetchedAt < STALE_MS ? remote.jwks() : undefined;
    if (known === undefined) throw new KeysUnavailable('the keys of tokens cannot be fetched');
    return createLocalJWKSet(known)(header, token).catch((error: unknown) => {
      throw error instanceof errors.JWKSNoMatchingKey ? new KeysUnavailable('a key cannot be looked up') : error;
    });
  };

  return async (header, token) => {
    if (nowMs() - failedAt < PAUSE_MS) return stale(header, token);
    try {
      const key = await remote(header, token);
      fetchedAt = remote.fresh ? nowMs() : fetchedAt;
      return key;
    } catch (error) {
      if (isOfTheToken(error)) throw error;
      if (!isOfTheFetch(error)) {
        // A published key that cannot be read: any token may name it, so only those that do are refused.
        tellSparingly(error);
        throw error;
      }
      failedAt = nowMs();
      onTrouble(error);
      return stale(header, token);
    }
  };
}

/** Whether the error is the token's fault: the keys were fetched, and none fits. */
const isOfTheToken = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported;

/** Whether the keys could not be fetched, or what came is no key set; else a key of the set cannot be read. */
const isOfTheFetch = (error: unknown): boolean =>
  error instanceof NotFetched || (error instanceof errors.JOSEError && FETCHING.has(error.code));

/** Of jose: a time-out, no key set, and any status but 200 or no JSON. */
const FETCHING: ReadonlySet<string> = new Set(
  [errors.JWKSTimeout, errors.JWKSInvalid, errors.JOSEError].map(({ code }) => code),
);

class NotFetched extends Error {
  override readonly name = 'NotFetched';
}

/** Fetches within `PATIENCE_MS`; follows no redirect. Rejects with `NotFetched`. */
const fetchOver =
  (dispatcher: Dispatcher): FetchImplementation =>
  (url, { headers }) =>
    lastValueFrom(
      withDeadline(PATIENCE_MS, async (signal) => {
        const onInfo = interimAnswers();
        const wanted = { ...Object.fromEntries(headers), 'accept-encoding': 'identity' };
        const answer = await request(url, { dispatcher, signal, onInfo, headers: wanted });
        return new Response(await textOf(answer, bounds.keySetBytes), { status: answer.statusCode });
      }),
    ).catch((cause: unknown) => {
      throw new NotFetched(messageOf(cause), { cause });
    });

const unpacked = promisify(unzip);

/** The text of a body, which some pack unasked. Rejects past `mostBytes`, and reads and unpacks no further. */
async function textOf({ body, headers }: Dispatcher.ResponseData, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > mostBytes) throw new Error(`the published keys have more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  const whole = Buffer.concat(chunks);
  const isPacked = /^(x-)?gzip$|^deflate$/i.test(String(headers['content-encoding']));
  return (isPacked ? await unpacked(whole, { maxOutputLength: mostBytes }) : whole).toString();
}
