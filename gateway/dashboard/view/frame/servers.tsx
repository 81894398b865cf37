import type { Health } from '../../live/api';
import { now } from '../../live/now';
import { duration } from '../../model/words';
import { useSession } from '../parts/session-context';

type Server = Health['servers'][number];

/** The servers' health, transport and queue length. While the gateway does not answer, the last values stay, greyed. */
export function Servers() {
  const { health, lastHealth } = useSession();
  const checks = health.value ?? lastHealth.value;
  const silent = health.value === undefined;
  return (
    <ul class="servers" aria-label="Servers" data-silent={silent}>
      {checks?.servers.map((server) => (
        <ServerChip key={server.name} server={server} silent={silent} />
      ))}
      {checks && (
        <li class="chip" data-state={silent ? 'unknown' : checks.store.healthy ? 'good' : 'bad'}>
          <span class="dot" aria-hidden="true" />
          <strong>Job store</strong>
          <span>{silent ? 'unknown' : checks.store.healthy ? 'well' : 'out of reach, states wait in memory'}</span>
        </li>
      )}
      {!checks && <li class="chip">{silent ? 'The gateway does not answer yet …' : ''}</li>}
    </ul>
  );
}

function ServerChip({ server, silent }: { readonly server: Server; readonly silent: boolean }) {
  const { name, url, healthy, via, queueRemaining } = server;
  const since = useSession().outages.serversSince.value.get(name);
  const queue = queueRemaining === undefined ? '' : `${queueRemaining.toLocaleString('en')} in queue`;
  return (
    <li class="chip" data-state={silent ? 'unknown' : healthy ? 'good' : 'bad'} title={url}>
      <span class="dot" aria-hidden="true" />
      <strong>{name}</strong>
      {silent && <span>unknown</span>}
      {!silent && !healthy && <span>no answer{since === undefined ? '' : ` for ${duration(now.value - since)}`}</span>}
      {!silent && healthy && <span>{via === 'websocket' ? 'WebSocket' : 'polling'}</span>}
      {!silent && healthy && queue !== '' && <span>{queue}</span>}
    </li>
  );
}
