import type { IncomingMessage } from 'node:http';
import type { Request as ExpressRequest } from 'express';
import type { Admission } from '../../admission/admission';
import type { Viewer } from '../../admission/auth/auth';
import { Problem } from '../../wire/problem';
import { bounds } from '../../../streams/bounds';
import { LARGE_BYTES, type Bodies } from './check';
import { checking } from './checking';
import { bytesInHand } from './bytes-in-hand';
import { allOf } from './reading';
import type { Turns } from './turns';

type Request = IncomingMessage & Pick<ExpressRequest, 'is'>;

/** Reads the JSON bodies of requests. */
export interface RequestBodies {
  /** The decoded body; `digest` is empty without an `Idempotency-Key`. Rejects with a `Problem`. */
  readonly read: <K extends keyof Bodies>(
    kind: K,
    request: Request,
    viewer: Viewer,
  ) => Promise<{ readonly body: Bodies[K]; readonly digest: string }>;
  readonly close: () => Promise<void>;
}

export function requestBodies(mostBytes: number, weigh: Admission['weigh'], inTurn: Turns): RequestBodies {
  const { check, close } = checking(mostBytes);
  const holding = bytesInHand(Math.max(bounds.bodiesBytes, 2 * mostBytes));
  return {
    read: async (kind, request, viewer) => {
      if (request.is('application/json') === false) {
        throw new Problem('unsupported-media-type', { detail: 'Send the body as application/json.' });
      }
      refuseOtherCharsets(request);
      const work = async () => {
        const hold = holding();
        const weighed = async (count: number): Promise<void> => {
          hold.take(count);
          await weigh(viewer, count);
        };
        try {
          const chunks = await allOf(request, { mostBytes, weigh: weighed, until$: hold.gaveWay$ });
          hold.keep();
          return await check({
            kind,
            chunks,
            needsUser: viewer.role === 'service' && kind !== 'report',
            wantsDigest: request.headers['idempotency-key'] !== undefined,
          });
        } finally {
          hold.release();
        }
      };
      const checked = await (isSmall(request) ? work() : inTurn(viewer, work));
      if (checked.tag === 'refused') throw new Problem(checked.kind, checked.details);
      return { body: checked.body, digest: checked.digest ?? '' };
    },
    close,
  };
}

const isSmall = ({ headers }: Request): boolean =>
  headers['content-encoding'] === undefined && Number(headers['content-length'] ?? Infinity) < LARGE_BYTES;

function refuseOtherCharsets({ headers }: Request): void {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(headers['content-type'] ?? '')?.[1];
  if (charset === undefined || /^utf-?8$/i.test(charset)) return;
  throw new Problem('unsupported-media-type', { detail: 'Send the body as UTF-8.' });
}
