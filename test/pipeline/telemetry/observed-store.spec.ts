import { lastValueFrom, type Observable } from 'rxjs';
import { observedStore } from '../../../pipeline/telemetry/observed-store';
import type { TelemetryEvent } from '../../../pipeline/telemetry/telemetry-event';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { aState } from '../../sinks/a-state';

test('each call of a store is told: those of a take-over, too', async () => {
  const told: TelemetryEvent[] = [];
  const store = observedStore(embeddedStore({ temporary: true, report: () => undefined }), (event) => told.push(event));
  const calls: readonly Observable<unknown>[] = [
    store.put(aState()),
    store.workflow('job-1'),
    store.workflows(['job-1']),
    store.refile([aState()]),
    store.remove('job-1'),
    store.leases.orphans(),
  ];
  for (const call$ of calls) await lastValueFrom(call$, { defaultValue: undefined });
  await lastValueFrom(store.close(), { defaultValue: undefined });
  const operations = told.map((event) => event.tag === 'storeCalled' && [event.operation, event.outcome]);
  expect(operations).toEqual(
    ['put', 'workflow', 'workflows', 'refile', 'remove', 'leases.orphans'].map((name) => [name, 'ok']),
  );
});
