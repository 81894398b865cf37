import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled, sessionOf } from '../../../streams/job/job-state';
import { holders, storedStates, type Bench, type Server } from '../service/bench';
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
export function troubles(bench: Bench, truth: Truth, chance: Chance) {
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

function kinds(bench: Bench, truth: Truth, chance: Chance, { heldBy, unfinished, restarted, deleted }: Tools) {
  /** Something that is on for a while. */
  const spell =
    (
      what: string,
      seconds: readonly [least: number, most: number],
      on: (server: Server) => void,
      off: (server: Server) => void,
    ) =>
    async (server: Server): Promise<Trouble> => {
      const from = Date.now();
      on(server);
      await sleep(1000 * chance.between(...seconds));
      off(server);
      return { what, server: server.url, from, to: Date.now(), struck: [] };
    };
  const again = async (instance: Instance): Promise<void> => {
    await sleep(chance.between(500, 3000));
    await instance.start();
  };

  return {
    'socket cut off': spell(
      'socket cut off',
      [0, 0],
      ({ link }) => link.reset(),
      () => undefined,
    ),
    'socket closed': spell(
      'socket closed',
      [0, 0],
      ({ comfy }) => comfy.dropSockets('clean'),
      () => undefined,
    ),
    'link down': spell(
      'link down',
      [4, 8],
      ({ link }) => {
        link.refuse();
        link.reset();
      },
      ({ link }) => link.accept(),
    ),
    'stale socket': spell(
      'stale socket',
      [2, 4],
      ({ link }) => link.cutClients(),
      ({ link }) => link.releaseServers(),
    ),
    'answer lost before': spell(
      'answer lost before',
      [1, 2],
      ({ comfy }) => Object.assign(comfy.faults, { loseAnswer: 'before', loseAnswerTimes: 1 }),
      () => undefined,
    ),
    'answer lost after': spell(
      'answer lost after',
      [1, 2],
      ({ comfy }) => Object.assign(comfy.faults, { loseAnswer: 'after', loseAnswerTimes: 1 }),
      () => undefined,
    ),
    'proxy page': spell(
      'proxy page',
      [2, 6],
      ({ comfy, link }) => {
        comfy.faults.status = chance.pick(PAGES);
        link.reset();
      },
      ({ comfy }) => (comfy.faults.status = undefined),
    ),
    'server busy': spell(
      'server busy',
      [3, 5],
      ({ comfy }) => comfy.faults.busy(4),
      () => undefined,
    ),
    'bad frames': spell(
      'bad frames',
      [2, 3],
      ({ comfy }) => (comfy.faults.malformedFrames = true),
      ({ comfy }) => (comfy.faults.malformedFrames = false),
    ),
    'ComfyUI restart': async (server: Server): Promise<Trouble> => {
      const from = Date.now();
      const struck = await unfinished(({ serverUrl }) => serverUrl === server.url);
      await truth.read(server.comfy);
      const dying = server.comfy.kill();
      restarted.add(server.url);
      await dying;
      await sleep(chance.between(500, 4000));
      await server.comfy.restart();
      return { what: 'ComfyUI restart', server: server.url, from, to: Date.now(), struck };
    },
    'kill -9': async (_: Server, instance: Instance): Promise<Trouble> => {
      const from = Date.now();
      const struck = await heldBy(instance);
      await instance.kill();
      await again(instance);
      return { what: 'kill -9', from, to: Date.now(), struck };
    },
    SIGTERM: async (_: Server, instance: Instance): Promise<Trouble> => {
      const from = Date.now();
      const struck = await heldBy(instance);
      await instance.terminate();
      await again(instance);
      return { what: 'SIGTERM', from, to: Date.now(), struck };
    },
    'deleted from the queue': async (server: Server): Promise<Trouble> => {
      const from = Date.now();
      const states = await storedStates(bench.ask);
      const waiting = states.find((state) => state.serverUrl === server.url && (state.queuePosition ?? 0) > 4);
      if (waiting !== undefined && server.comfy.deleteFromQueue(waiting.runId ?? waiting.promptId))
        deleted.add(Number(waiting.metadata?.['order']));
      return { what: 'deleted from the queue', server: server.url, from, to: Date.now(), struck: [] };
    },
  };
}
