import type { PublicJob } from '../../../wire/public-job';
import { silenceOf, type Silence } from '../../model/silence';
import { useSession } from './session-context';

/** Since when no news of a live job can come, by the gateway's clock, and why; `undefined` while it can. */
export function useSilence(job: PublicJob): Silence | undefined {
  const { outages, lastHealth, cache } = useSession();
  const skewMs = cache.clockSkewMs();
  const gateway = outages.gatewaySince.value;
  return silenceOf(job, {
    gatewaySilentSince: gateway === undefined ? undefined : gateway - skewMs,
    servers: lastHealth.value?.servers ?? [],
    serverSilentSince: new Map([...outages.serversSince.value].map(([name, since]) => [name, since - skewMs])),
  });
}
