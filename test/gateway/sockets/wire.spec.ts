import type { GatewayEvent } from '../../../gateway/metrics/gateway-event';
import { observedWire, type Wire } from '../../../gateway/sockets/wire';
import type { PublicJob } from '../../../gateway/wire/public-job';

const nothing = (): void => undefined;

function aWire() {
  const told: GatewayEvent[] = [];
  const wire = { state: nothing, end: nothing, cut: nothing } as unknown as Wire;
  return { told, wire: observedWire(wire, 'socket_io', (event) => void told.push(event)) };
}
const aJob = (updatedAt: number): PublicJob => ({ promptId: 'p', updatedAt }) as PublicJob;

test('the age of a state counts where it came while its reader was there, and of an end once', () => {
  const { told, wire } = aWire();
  wire.end(aJob(Date.now() - 12_000), nothing);
  expect(told).toEqual([]);
  const end = aJob(Date.now());
  for (let n = 0; n < 4; n++) wire.end(end, nothing);
  expect(told).toMatchObject([{ tag: 'stateSent' }]);
});

test('a connection is cut once, however often that is asked for', () => {
  const { told, wire } = aWire();
  for (let n = 0; n < 45; n++) wire.cut('slow', 'slow_reader' as never);
  expect(told).toHaveLength(1);
});
