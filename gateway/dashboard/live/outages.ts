import { signal, type ReadonlySignal } from '@preact/signals';
import type { Health } from './api';

/** Since when the gateway, and each server, has not answered; ms since 1970 by this machine's clock. */
export interface Outages {
  /** `undefined` while the gateway answers. */
  readonly gatewaySince: ReadonlySignal<number | undefined>;
  /** By the name of each server that the gateway reports as unhealthy. */
  readonly serversSince: ReadonlySignal<ReadonlyMap<string, number>>;
  heard(): void;
  lost(): void;
  checked(servers: Health['servers']): void;
}

export function outages(nowMs: () => number): Outages {
  const gatewaySince = signal<number | undefined>(undefined);
  const serversSince = signal<ReadonlyMap<string, number>>(new Map());
  return {
    gatewaySince,
    serversSince,
    heard: () => (gatewaySince.value = undefined),
    lost: () => (gatewaySince.value ??= nowMs()),
    checked(servers) {
      const away = servers.filter(({ healthy }) => !healthy).map(({ name }) => name);
      const before = serversSince.value;
      if (away.length === before.size && away.every((name) => before.has(name))) return;
      serversSince.value = new Map(away.map((name) => [name, before.get(name) ?? nowMs()]));
    },
  };
}
