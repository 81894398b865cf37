import { bulkhead, BulkheadRejectedError, type BulkheadPolicy } from 'cockatiel';
import type { IncomingMessage } from 'node:http';
import type { Request as ExpressRequest } from 'express';
import { bounds } from '../../../streams/bounds';
import type { Admission } from '../../admission/admission';
import type { Viewer } from '../../admission/auth';
import { Problem } from '../../wire/problem';
import type { Bodies } from './check';
import { checking } from './checking';
import { bytesOf } from './reading';

type Request = IncomingMessage & Pick<ExpressRequest, 'is'>;

/** JSON bodies on their way from a request to what they ask for. */
export interface RequestBodies {
  /** The body, read, weighed and checked; its digest where the request may be repeated. Rejects with a `Problem`. */
  readonly read: <K extends keyof Bodies>(
    kind: K,
    request: Request,
    viewer: Viewer,
  ) => Promise<{ readonly body: Bodies[K]; readonly digest: string }>;
  readonly close: () => Promise<void>;
}

const SMALL_BYTES = 256 << 10;

export function requestBodies(mostBytes: number, weigh: Admission['weigh']): RequestBodies {
  const { check, close } = checking();
  const inTurn = turns();
  return {
    read: async (kind, request, viewer) => {
      if (request.is('application/json') === false) {
        throw new Problem('unsupported-media-type', { detail: 'Send the body as application/json.' });
      }
      refuseOtherCharsets(request);
      const work = async () => {
        const bytes = await bytesOf(request, { mostBytes, weigh: (count) => weigh(viewer, count) });
        return check({
          kind,
          bytes,
          needsUser: viewer.role === 'service',
          wantsDigest: request.headers['idempotency-key'] !== undefined,
        });
      };
      const checked = await (isSmall(request) ? work() : inTurn(viewer, work));
      if (checked.tag === 'refused') throw new Problem(checked.kind, checked.details);
      return { body: checked.body, digest: checked.digest ?? '' };
    },
    close,
  };
}

/** Few large bodies of one user are in memory at a time; the others wait unread. */
function turns() {
  const users = new Map<string, BulkheadPolicy>();
  return async <T>({ role, userId }: Viewer, work: () => Promise<T>): Promise<T> => {
    const key = `${role} ${userId}`;
    const turn = users.get(key) ?? bulkhead(bounds.bodiesAtOnce, role === 'service' ? Infinity : bounds.bodiesWaiting);
    users.set(key, turn);
    try {
      return await turn.execute(work);
    } catch (error) {
      if (!(error instanceof BulkheadRejectedError)) throw error;
      const detail = `Of one caller, ${bounds.bodiesWaiting} large bodies may wait.`;
      throw new Problem('too-many-requests', { detail }, { 'Retry-After': '5' });
    } finally {
      if (turn.executionSlots === bounds.bodiesAtOnce) users.delete(key);
    }
  };
}

const isSmall = ({ headers }: Request): boolean =>
  headers['content-encoding'] === undefined && Number(headers['content-length'] ?? Infinity) < SMALL_BYTES;

function refuseOtherCharsets({ headers }: Request): void {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(headers['content-type'] ?? '')?.[1];
  if (charset === undefined || /^utf-?8$/i.test(charset)) return;
  throw new Problem('unsupported-media-type', { detail: 'Send the body as UTF-8.' });
}
