import { EMPTY } from 'rxjs';
import { singleProcessLeases } from '../../../sinks/embedded/single-process-leases';

test('whoever shares the store is told of a session that is given back, and of none that is forgotten or was not held', () => {
  const leases = singleProcessLeases(
    () => EMPTY,
    () => EMPTY,
  );
  const told: unknown[] = [];
  leases.released$.subscribe((clientId) => told.push(clientId));
  const session = (clientId: string) => ({ clientId, serverUrl: 'http://comfy:8188' });
  for (const clientId of ['given back', 'forgotten']) leases.hold(session(clientId)).subscribe();
  leases.release(session('given back')).subscribe();
  leases.release(session('forgotten'), true).subscribe();
  leases.release(session('not held')).subscribe();
  expect(told).toEqual(['given back']);
});
