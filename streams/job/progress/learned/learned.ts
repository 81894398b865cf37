import { emptyModel, expectedBy, learnt, modelKey, type Model } from './class-model';
import { modelFrom, modelToText } from './class-model-text';
import type { Durations, Expected } from '../plan/expected';
import { expectedFrom, inOtherHeat, takenBy, withRun, type Measured, type Taken } from './measured';
import { measuredFrom, measuredToText } from './measured-text';
import { hash } from '../plan/hash';
import type { PlanNode } from '../plan/plan';
import { namesOf } from '../plan/telling';
import {
  guessAt,
  loadingAt,
  nothingTold,
  speedFrom,
  speedOf,
  speedToText,
  withNode,
  type Speed,
  type SpeedTold,
} from './server-speed';
import { sharesOfTime, type Span } from './side-by-side';
import { Skipped } from './skipped';
import type { RunClock } from '../run-clock';
import { ended } from '../run-events';
import { CLOCKS_DIFFER_MS } from '../bar';
import { remember } from '../../../maps/remember';

/** A stored entry of what was learned; without a text it is to be removed. */
export type LearnedEntry = readonly [key: string, text: string | undefined];

/** How long nodes took in earlier runs. Bounded: entries not seen for longest are forgotten first. */
export interface Learned {
  /** How long nodes will take on a server; guesses by their names if nothing was learned of them. */
  readonly durationsOn: (serverUrl: string) => Durations;
  /** Takes in a run that ended well; returns the entries to store. */
  readonly learn: (serverUrl: string, run: RunClock, at: number) => readonly LearnedEntry[];
  /** Takes in stored entries of any instance, ignoring unreadable ones; returns those to remove, for lack of room. */
  readonly take: (entries: readonly LearnedEntry[]) => readonly LearnedEntry[];
}

/** How many nodes and classes are kept: some 40 and 300 bytes each in the store; and of how many servers. */
const MOST_NODES = 8_000;
const MOST_CLASSES = 800;
const MOST_SERVERS = 1_000;
/** How many nodes are learned of one run. */
const NODES_A_RUN = 500;

/** What is known of nodes, of classes, of servers, and of inputs that nodes did without. */
interface Known {
  readonly nodes: Map<string, Measured>;
  readonly classes: Map<string, Model>;
  readonly speeds: Map<string, SpeedTold>;
  readonly skipped: Skipped;
}

export function learned(): Learned {
  const nodes = new Map<string, Measured>();
  const classes = new Map<string, Model>();
  const speeds = new Map<string, SpeedTold>();
  const skipped = new Skipped();
  const known: Known = { nodes, classes, speeds, skipped };
  /** One function per server, shared by all its jobs. */
  const byServer = new Map<string, Durations>();

  return {
    durationsOn: (serverUrl) => {
      const server = hash(serverUrl);
      const durations = byServer.get(server) ?? durationsBy(server, known);
      remember(byServer, server, durations, MOST_SERVERS);
      return durations;
    },
    learn: (serverUrl, run, at) => {
      // The clock was set during the run: its times are wrong.
      if (run.clockWasSet || at < run.shown.at - CLOCKS_DIFFER_MS) return [];
      const server = hash(serverUrl);
      const through = ended(run, at);
      const kept: LearnedEntry[] = [];
      const shares = sharesOfTime(spansOf(through));
      let left = NODES_A_RUN;
      let told = speeds.get(speedKey(server)) ?? nothingTold;
      for (const [id, node] of run.plan.nodes) {
        const seen = through.nodes.get(id);
        if (seen?.doneAt === undefined || left-- <= 0) continue;
        const taken = takenBy(seen, seen.doneAt, shares.get(id));
        told = withNode(told, node, taken);
        kept.push(...skipped.learn(server, node, through), ...withTaken(known, server, node, taken, run.isCold));
      }
      kept.push(...remembered(speeds, speedKey(server), told, MOST_SERVERS, speedToText(told)));
      return [...new Map(kept)];
    },
    take: (entries) => {
      const gone = new Set<string>();
      const noted = (dropped: readonly [string, unknown] | undefined): void => {
        if (dropped !== undefined) gone.add(dropped[0]);
      };
      for (const [key, text] of entries) {
        const value = parsed(text);
        const measured = measuredFrom(value);
        const model = measured === undefined ? modelFrom(value) : undefined;
        const speed = speedFrom(value);
        if (key.startsWith('w')) noted(skipped.take(key, value));
        if (key.startsWith('n') && measured !== undefined) noted(remember(nodes, key, measured, MOST_NODES));
        if (key.startsWith('c') && model !== undefined) noted(remember(classes, key, model, MOST_CLASSES));
        if (key.startsWith('s') && speed !== undefined) noted(remember(speeds, key, speed, MOST_SERVERS));
      }
      // An entry that was dropped may have been added again by a later one.
      const isKept = (key: string): boolean =>
        nodes.has(key) || classes.has(key) || speeds.has(key) || skipped.has(key);
      return [...gone].filter((key) => !isKept(key)).map((key) => [key, undefined]);
    },
  };
}

/** Adds how long a node took to what is known; the entries to store. */
function withTaken(
  { nodes, classes }: Known,
  server: string,
  node: PlanNode,
  taken: Taken,
  isCold: boolean,
): readonly LearnedEntry[] {
  const kept: LearnedEntry[] = [];
  for (const key of keysOf(server, node, isCold)) {
    const now = withRun(nodes.get(key), taken);
    kept.push(...remembered(nodes, key, now, MOST_NODES, measuredToText(now)));
  }
  for (const key of classKeysOf(server, node, taken)) {
    const model = learnt(classes.get(key) ?? emptyModel, node, taken, isCold);
    if (model.runs > 0) kept.push(...remembered(classes, key, model, MOST_CLASSES, modelToText(model)));
  }
  return kept;
}

/** Puts a value last; the entries to store: its text, and the removal of the one that it displaced. */
function remembered<V>(
  values: Map<string, V>,
  key: string,
  value: V,
  most: number,
  text: string,
): readonly LearnedEntry[] {
  const gone = remember(values, key, value, most);
  return gone === undefined
    ? [[key, text]]
    : [
        [key, text],
        [gone[0], undefined],
      ];
}

/**
 * A node's expected time by the first of: the node, measured as cold or warm as now, or the other; its class here;
 * elsewhere; its name, at the speed of this server.
 */
function durationsBy(server: string, { nodes, classes, speeds, skipped }: Known): Durations {
  const measuredOn = (node: PlanNode, isCold: boolean): Expected | undefined => {
    for (const key of keysOf(server, node, isCold)) {
      const measured = nodes.get(key);
      if (measured !== undefined) return expectedFrom(measured, node);
    }
    return undefined;
  };
  const speed = (): Speed => speedOf(speeds.get(speedKey(server)));
  const timeOf: Durations = (node, isCold) => {
    const known = measuredOn(node, isCold);
    if (known !== undefined) return known;
    const other = measuredOn(node, !isCold);
    if (other !== undefined) return inOtherHeat(other, isCold, loadingAt(speed(), node));
    const here = classes.get(modelledKey(server, node) ?? '') ?? classes.get(classKey(server, node));
    if (here !== undefined) return expectedBy(here, node, isCold, speed());
    // Times of other servers are a guess (trust 0): this one may be three times as slow.
    const elsewhere = classes.get(classKey('', node));
    return elsewhere === undefined
      ? guessAt(speed(), node)
      : { ...expectedBy(elsewhere, node, isCold, speed()), trust: 0 };
  };
  return (node, isCold) => {
    const without = skipped.of(server, node);
    return without === undefined ? timeOf(node, isCold) : { ...timeOf(node, isCold), without };
  };
}

/** When the first `NODES_A_RUN` nodes of a run were at work. */
const spansOf = ({ plan, nodes }: RunClock): readonly Span[] =>
  [...plan.nodes.keys()].slice(0, NODES_A_RUN).flatMap((id) => {
    const { startedAt = 0, doneAt } = nodes.get(id) ?? {};
    return doneAt === undefined ? [] : [{ id, from: startedAt, to: doneAt }];
  });

/**
 * How many nodes of a workflow have keys of their own; the rest goes by class, as hashing all would hold up the event
 * loop.
 */
const NAMED = 1_000;

/** A node's keys: as this node of this workflow, and as a node with these inputs in any workflow. */
function keysOf(server: string, node: PlanNode, isCold: boolean): readonly string[] {
  if (node.place >= NAMED) return [];
  const [inGraph, anywhere] = namesOf(node);
  const heat = isCold ? 'c' : 'w';
  return [`n${server}:${inGraph}${heat}`, `n${server}:${anywhere}${heat}`];
}

const speedKey = (server: string): string => `s${server}`;

const classKey = (server: string, { type }: PlanNode): string => `c${server}:${type.length > 40 ? hash(type) : type}`;

/** The key of a class with the node's model: a step with another model may take ten times as long. */
const modelledKey = (server: string, node: PlanNode): string | undefined =>
  node.context.model === undefined ? undefined : `${classKey(server, node)}@${modelKey(node.context.model)}`;

/**
 * The keys of the classes that a node's run is learned for: on this server, on any, and here with its model if it
 * counts.
 */
function classKeysOf(server: string, node: PlanNode, { stepMs }: Taken): readonly string[] {
  const modelled = stepMs > 0 ? modelledKey(server, node) : undefined;
  const keys = [classKey(server, node), classKey('', node)];
  return modelled === undefined ? keys : [...keys, modelled];
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
