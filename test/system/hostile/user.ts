import { once } from 'node:events';
import { createServer as createSecureServer } from 'node:https';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { getPriority, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import * as attacks from './attacks';
import { again, post, type Attacker, type Tally } from './attacks';
import { floods, unknownFloods } from './sockets';
import { runs, workflows } from './workflows';

/** What a file is called whose bytes the bench replaces by many. */
const LARGE_PREFIX = 'large';

/** What the bench tells its hostile user. */
export interface Orders extends Pick<Attacker, 'instances' | 'token' | 'victim'> {
  readonly ms: number;
  /** Floods have a process of their own, or the other attacks would wait for them. */
  readonly by: 'requests' | 'sockets';
  /** What its receivers of webhooks show: a key and a certificate that the instances trust. */
  readonly tls: { readonly key: string; readonly cert: string };
}

const submission = (more: object): string =>
  JSON.stringify({ type: 'image_generation', userId: 'mallory', workflow: runs(), ...more });

/** Accepts, and never says a word. */
async function silentHosts({ tls }: Orders): Promise<readonly number[]> {
  const mute = (socket: Socket): void => void socket.on('error', () => undefined);
  const servers = [createServer(mute), createSecureServer(tls, () => undefined)];
  for (const server of servers) server.listen(0, '127.0.0.1');
  await Promise.all(servers.map((server) => once(server, 'listening')));
  return servers.map((server) => (server.address() as AddressInfo).port);
}

const workflowsAgainAndAgain = (attacker: Attacker): Promise<void> => {
  const made = Object.entries(workflows).map(([what, make]) => [what, make()] as const);
  return again(attacker, 20, async (n) => {
    const [what, workflow] = made[n % made.length]!;
    await post(attacker, n, what, `{"type":"image_generation","userId":"mallory","workflow":${workflow}}`);
  });
};

async function hooks(attacker: Attacker, ports: readonly number[]): Promise<void> {
  await again(attacker, 120, (n) => {
    const webhook = { url: `https://127.0.0.1:${ports[n % ports.length]!}/never/${n}` };
    return post(attacker, n, 'webhooks that are never answered', submission({ webhook }));
  });
}

/** Downloads of something large. */
async function downloads(attacker: Attacker): Promise<void> {
  const large = runs({ '3': { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: LARGE_PREFIX } } });
  const promptId = await post(attacker, 0, 'an output to be stalled', submission({ workflow: large }));
  await sleep(5_000);
  const output = `/jobs/${promptId ?? attacker.victim}/outputs/0`;
  await Promise.all([attacks.stalledReaders(attacker, output), attacks.ranged(attacker, output)]);
}

async function attack(orders: Orders): Promise<Tally> {
  const tally: Record<string, Record<string, number>> = {};
  const note = (what: string, outcome: string | number): void => {
    const outcomes = (tally[what] ??= {});
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  const attacker: Attacker = { ...orders, until: Date.now() + orders.ms, note };
  const ports = await silentHosts(orders);
  const half = orders.ms / 2;
  const requests = [
    () => workflowsAgainAndAgain(attacker),
    () => workflowsAgainAndAgain(attacker),
    () => hooks(attacker, ports),
    () => again(attacker, 500, (n) => post(attacker, n, 'jobs for a hostile server', submission({ type: 'hostile' }))),
    () => downloads(attacker),
    () => attacks.othersJobs(attacker),
    // They keep the same user's other bodies waiting, so not from the start.
    () => sleep(half).then(() => attacks.slowAndPacked(attacker)),
    () => attacks.inputs(attacker),
    () => attacks.lists(attacker),
  ];
  const over: Record<Orders['by'], readonly (() => Promise<void>)[]> = {
    requests,
    sockets: [() => unknownFloods(attacker), () => floods(attacker)],
  };
  await Promise.all(over[orders.by].map((attack) => attack()));
  return tally;
}

async function main(): Promise<void> {
  // Its own work is done elsewhere, where it is real.
  setPriority(Math.min(19, getPriority() + 5));
  const [orders] = (await once(process, 'message')) as [Orders];
  process.send?.({ tally: await attack(orders) });
}

process.once('disconnect', () => process.exit());
void main();
