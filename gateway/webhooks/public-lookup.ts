import type { LookupAddress, LookupAllOptions } from 'node:dns';
import { Resolver } from 'node:dns/promises';

/** As `lookup` of `node:dns` with `all`. */
export type LookupAll = (
  hostname: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** DNS is asked twice, for 1.5 s and for 3 s: less than the 5 s that a connection may take. */
const ASKING = { timeout: 1_500, tries: 2 };

/**
 * Looks names up in the DNS alone, at `servers`, or else at the system's. Fails with the code of `node:dns`.
 *
 * The system's lookup would hold a thread until DNS answers, and Node has two for the lookups of a whole process: ten
 * webhooks to names whose servers keep silent held up those of ComfyUI and Redis for 50 s.
 */
export const publicLookup =
  (servers?: readonly string[]): LookupAll =>
  (hostname, _options, done) => {
    // A new one for each name: it reads the system's servers when it is made.
    const resolver = new Resolver(ASKING);
    if (servers !== undefined) resolver.setServers(servers);
    void Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]).then(([four, six]) => {
      const found = [...addressesIn(four, 4), ...addressesIn(six, 6)];
      if (found.length === 0 && four.status === 'rejected') done(four.reason as NodeJS.ErrnoException, []);
      else done(null, found);
    });
  };

const addressesIn = (answer: PromiseSettledResult<string[]>, family: 4 | 6): readonly LookupAddress[] =>
  answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family })) : [];
