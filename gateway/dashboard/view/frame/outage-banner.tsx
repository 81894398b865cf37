import { now } from '../../live/now';
import { clockTime, duration } from '../../model/words';
import { useSession } from '../parts/session-context';

/**
 * Says that the gateway does not answer, or that its store is away, and what that means for the page. The live region
 * is always in the page: screen readers do not read one that is added later.
 */
export function OutageBanner() {
  const { outages, listing, health } = useSession();
  const since = outages.gatewaySince.value;
  const isPartial = listing.partial.value;
  const isStoreAway = isPartial || health.value?.store.healthy === false;
  return (
    <div role="status" aria-live="polite">
      {since !== undefined && (
        <p class="callout outage">
          <strong>No news since {clockTime(since)}</strong>
          {/* Hidden from screen readers, which would read it every second. */}
          <span aria-hidden="true"> ({duration(now.value - since)})</span>: the connection to the gateway is lost. What
          you see is how things were then; jobs go on without this page, and it goes on by itself.
        </p>
      )}
      {since === undefined && isStoreAway && (
        <p class="callout outage">
          <strong>{isPartial ? 'Not all jobs are here.' : 'Some jobs may stand still here.'}</strong> The gateway’s
          store is away: this page hears of the jobs of one of its instances. The others go on, and show up by
          themselves once it is back.
        </p>
      )}
    </div>
  );
}
