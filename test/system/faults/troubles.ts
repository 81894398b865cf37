import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled, sessionOf } from '../../../streams/job/job-state';
import { holders, storedStates, type RedisBench, type Server } from '../service/bench';
import type { Instance } from '../service/instance';
import type { Chance } from '../seeded';
import type { Truth } from '../verdicts/truth';

/** What was done to whom, and for how long. */
export interface Trouble {
  readonly what: string;
  /** Where it was done to a server. */
  readonly server?: string;
  readonly from: number;
  to: number;
  /** The jobs that a restarted service or ComfyUI left behind unfinished. */
  readonly struck: readonly number[];
}

export type TroubleKind = keyof ReturnType<typeof kinds>;

/** A page that a proxy shows, and its status. */
const PAGES = [
  { httpStatus: 502, body: '<html><body><h1>502 Bad Gateway</h1></body></html>' },
  { httpStatus: 524, body: '<!DOCTYPE html><title>A timeout occurred</title>' },
  { httpStatus: 200, body: '<!DOCTYPE html><title>Starting your pod…</title>' },
];

/** Everything that is done to the parts of a bench while it works. */
export function troubles(bench: RedisBench, truth: Truth, chance: Chance) {
  const happened: Trouble[] = [];
  const restarted = new Set<string>();
  const deleted = new Set<number>();
  const busy = new Set<Server | Instance>();

  async function unfinished(where: (state: { session: string; serverUrl: string }) => boolean): Promise<number[]> {
    return (await storedStates(bench.ask))
      .filter((state) => !isSettled(state) && where({ session: sessionOf(state) ?? '', serverUrl: state.serverUrl }))
      .map((state) => Number(state.metadata?.['order']));
  }
  async function heldBy(instance: Instance): Promise<number[]> {
    const held = await holders(bench.ask);
    return unfinished(({ session }) => held.get(session) === instance.pid);
  }

  /** A restart is done to the server with the fewest jobs: each that is lost costs three looks, as R4 wants it. */
  async function leastLaden(servers: readonly Server[]): Promise<Server> {
    const jobs = await Promise.all(servers.map((server) => unfinished(({ serverUrl }) => serverUrl === server.url)));
    const fewest = Math.min(...jobs.map(({ length }) => length));
    return servers[jobs.findIndex(({ length }) => length === fewest)]!;
  }

  const all = kinds(bench, truth, chance, { heldBy, unfinished, restarted, deleted });
  return {
    happened,
    restarted,
    deleted,
    run: async (kind: TroubleKind): Promise<void> => {
      // One thing at a time to each of them.
      const free = bench.servers.filter((each) => !busy.has(each));
      const server = kind === 'ComfyUI restart' ? await leastLaden(free) : chance.pick(free);
      const instance = chance.pick(bench.instances.filter((each) => !busy.has(each)));
      const touched = ofInstances.has(kind) ? instance : server;
      busy.add(touched);
      happened.push(await all[kind](server, instance));
      busy.delete(touched);
    },
  };
}

const ofInstances: ReadonlySet<string> = new Set(['kill -9', 'SIGTERM']);

interface Tools {
  readonly heldBy: (instance: Instance) => Promise<number[]>;
  readonly unfinished: (where: (state: { session: string; serverUrl: string }) => boolean) => Promise<number[]>;
  readonly restarted: Set<string>;
  readonly deleted: Set<number>;
}

function kinds(bench: RedisBench, truth: Truth, chance: Chance, tools: Tools) {
  return {
    ...shortSpells(chance),
    ...linkSpells(chance),
    ...comfySpells(chance),
    ...queueTroubles(bench, truth, chance, tools),
    ...instanceTroubles(chance, tools),
  };
}

/** Something that is on for so many seconds. */
const spell =
  (
    chance: Chance,
    what: string,
    seconds: readonly [least: number, most: number],
    on: (server: Server) => void,
    off: (server: Server) => void = () => undefined,
  ) =>
  async (server: Server): Promise<Trouble> => {
    const from = Date.now();
    on(server);
    await sleep(1000 * chance.between(...seconds));
    off(server);
    return { what, server: server.url, from, to: Date.now(), struck: [] };
  };

/** What is over as soon as it has happened. */
const shortSpells = (chance: Chance) => ({
  'socket cut off': spell(chance, 'socket cut off', [0, 0], ({ link }) => link.reset()),
  'socket closed': spell(chance, 'socket closed', [0, 0], ({ comfy }) => comfy.dropSockets('clean')),
});

const linkSpells = (chance: Chance) => ({
  'link down': spell(
    chance,
    'link down',
    [4, 8],
    ({ link }) => {
      link.refuse();
      link.reset();
    },
    ({ link }) => link.accept(),
  ),
  'stale socket': spell(
    chance,
    'stale socket',
    [2, 4],
    ({ link }) => link.cutClients(),
    ({ link }) => link.releaseServers(),
  ),
  'proxy page': spell(
    chance,
    'proxy page',
    [2, 6],
    ({ comfy, link }) => {
      comfy.faults.status = chance.pick(PAGES);
      link.reset();
    },
    ({ comfy }) => (comfy.faults.status = undefined),
  ),
});

const comfySpells = (chance: Chance) => ({
  'answer lost before': spell(chance, 'answer lost before', [1, 2], ({ comfy }) =>
    Object.assign(comfy.faults, { loseAnswer: 'before', loseAnswerTimes: 1 }),
  ),
  'answer lost after': spell(chance, 'answer lost after', [1, 2], ({ comfy }) =>
    Object.assign(comfy.faults, { loseAnswer: 'after', loseAnswerTimes: 1 }),
  ),
  'server busy': spell(chance, 'server busy', [3, 5], ({ comfy }) => comfy.faults.busy(4)),
  'bad frames': spell(
    chance,
    'bad frames',
    [2, 3],
    ({ comfy }) => (comfy.faults.malformedFrames = true),
    ({ comfy }) => (comfy.faults.malformedFrames = false),
  ),
});

/** What makes a ComfyUI forget jobs. */
const queueTroubles = (bench: RedisBench, truth: Truth, chance: Chance, { unfinished, restarted, deleted }: Tools) => ({
  'ComfyUI restart': async (server: Server): Promise<Trouble> => {
    const from = Date.now();
    const itsJobs = (): Promise<number[]> => unfinished(({ serverUrl }) => serverUrl === server.url);
    const before = await itsJobs();
    await truth.read(server.comfy);
    const dying = server.comfy.kill();
    restarted.add(server.url);
    await dying;
    // Some may have been posted while its history was read.
    const struck = [...new Set([...before, ...(await itsJobs())])];
    await sleep(chance.between(500, 4000));
    await server.comfy.restart();
    return { what: 'ComfyUI restart', server: server.url, from, to: Date.now(), struck };
  },
  'deleted from the queue': async (server: Server): Promise<Trouble> => {
    const from = Date.now();
    const states = await storedStates(bench.ask);
    const waiting = states.find((state) => state.serverUrl === server.url && (state.queuePosition ?? 0) > 4);
    if (waiting !== undefined && server.comfy.deleteFromQueue(waiting.runId ?? waiting.promptId))
      deleted.add(Number(waiting.metadata?.['order']));
    return { what: 'deleted from the queue', server: server.url, from, to: Date.now(), struck: [] };
  },
});

/** An instance ends in some way, and starts again. */
function instanceTroubles(chance: Chance, { heldBy }: Tools) {
  const ended =
    (what: string, end: (instance: Instance) => Promise<unknown>) =>
    async (_: Server, instance: Instance): Promise<Trouble> => {
      const from = Date.now();
      const struck = await heldBy(instance);
      await end(instance);
      await sleep(chance.between(500, 3000));
      await instance.start();
      return { what, from, to: Date.now(), struck };
    };
  return {
    'kill -9': ended('kill -9', (instance) => instance.kill()),
    SIGTERM: ended('SIGTERM', (instance) => instance.terminate()),
  };
}
