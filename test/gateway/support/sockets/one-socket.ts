import { connected, type Client } from './client';
import { runningGateway, type RunningGateway } from '../running-gateway';

/** The one gateway of a spec, and a socket to it, which is new for each test. */
export let gateway: RunningGateway;
export let socket: Client;
const opened: Client[] = [];

/** One more socket to the gateway, closed after the test. */
export async function anotherSocket(): Promise<Client> {
  const another = await connected(gateway);
  opened.push(another);
  return another;
}

/** Jobs go no further than this step until they are let go, at the latest after the test. */
export const holdAt = (step: number): void => void (gateway.comfy.faults.mostSteps = step);
export const letGo = (): void => holdAt(Infinity);

/** Gives the spec its gateway, and each test its socket. */
export function oneSocket(): void {
  beforeAll(async () => {
    gateway = await runningGateway();
  });
  beforeEach(async () => {
    socket = await anotherSocket();
  });
  afterEach(() => {
    letGo();
    for (const each of opened.splice(0)) each.disconnect();
  });
  afterAll(() => gateway.close());
}
