import { byId, element } from './dom.js';

/** The strip of servers and the store: who is well, how it is watched, how long its queue is. */
export function showHealth({ checks }) {
  const { store, servers } = checks;
  byId('servers').replaceChildren(
    ...servers.map(({ name, url, healthy, via, queueRemaining }) => {
      const how = via === 'polling' ? 'polled' : 'live';
      const queue = queueRemaining === undefined ? '' : `${queueRemaining} queued`;
      return chip(healthy, name, healthy ? [how, queue] : ['no answer'], url);
    }),
    chip(store.healthy, 'Job store', [store.healthy ? '' : 'out of reach, states wait in memory']),
  );
}

/** Nothing can be known while the gateway is silent. */
export function showNoHealth() {
  for (const place of byId('servers').children) place.dataset.state = 'unknown';
}

const chip = (healthy, name, facts, title) =>
  element(
    'li',
    { 'data-state': healthy ? 'good' : 'bad', title },
    element('span', { class: 'dot' }),
    element('strong', {}, name),
    ...facts.filter(Boolean).map((fact) => element('span', {}, fact)),
  );
