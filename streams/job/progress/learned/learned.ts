import { emptyModel, expectedBy, learnt, modelFrom, modelKey, modelToText, type Model } from './class-model';
import { byName, type Durations, type Expected } from '../plan/expected';
import { expectedFrom, inOtherHeat, takenBy, withRun, type Measured, type Taken } from './measured';
import { measuredFrom, measuredToText } from './measured-text';
import { hash } from '../plan/hash';
import type { PlanNode } from '../plan/plan';
import { namesOf } from '../plan/telling';
import { sharesOfTime, type Span } from './side-by-side';
import type { RunClock } from '../run-clock';
import { ended } from '../run-events';
import { CLOCKS_DIFFER_MS } from '../bar';
import { remember } from '../../../maps/remember';

/** What was learnt under a key, as text; forgotten where there is none. */
export type LearnedEntry = readonly [key: string, text: string | undefined];

/** What earlier runs tell of nodes' durations. Bounded: what was not seen for longest is forgotten first. */
export interface Learned {
  /** What nodes will take on a server; a guess by their names where nothing tells. */
  readonly durationsOn: (serverUrl: string) => Durations;
  /** Takes in a run that has ended well, and tells what is to be kept. */
  readonly learn: (serverUrl: string, run: RunClock, at: number) => readonly LearnedEntry[];
  /** Takes in what was kept, by others too, and tells what had to go for it. What is no such thing is left out. */
  readonly take: (entries: readonly LearnedEntry[]) => readonly LearnedEntry[];
}

/** Nodes and classes remembered: some 40 and 300 bytes each as they are kept. */
const MOST_NODES = 8_000;
const MOST_CLASSES = 800;
const MOST_SERVERS = 1_000;
/** A run of more nodes teaches no more than the first of them. */
const NODES_A_RUN = 500;

export function learned(): Learned {
  const nodes = new Map<string, Measured>();
  const classes = new Map<string, Model>();
  /** The same for all jobs of a server. */
  const byServer = new Map<string, Durations>();

  return {
    durationsOn: (serverUrl) => {
      const server = hash(serverUrl);
      const known = byServer.get(server) ?? durationsBy(server, nodes, classes);
      remember(byServer, server, known, MOST_SERVERS);
      return known;
    },
    learn: (serverUrl, run, at) => {
      // What lay between two readings of a clock that was set nobody knows.
      if (run.clockWasSet || at < run.shown.at - CLOCKS_DIFFER_MS) return [];
      const server = hash(serverUrl);
      const through = ended(run, at);
      const kept = new Map<string, string | undefined>();
      const shares = sharesOfTime(spansOf(through));
      let left = NODES_A_RUN;
      for (const [id, node] of run.plan.nodes) {
        const seen = through.nodes.get(id);
        if (seen?.doneAt === undefined || left-- <= 0) continue;
        const taken = takenBy(seen, seen.doneAt, shares.get(id));
        for (const key of keysOf(server, node, run.isCold)) {
          const now = withRun(nodes.get(key), taken);
          kept.set(key, measuredToText(now));
          const gone = remember(nodes, key, now, MOST_NODES);
          if (gone !== undefined) kept.set(gone[0], undefined);
        }
        for (const key of classKeysOf(server, node, taken)) {
          const model = learnt(classes.get(key) ?? emptyModel, node, taken, run.isCold);
          if (model.runs === 0) continue;
          kept.set(key, modelToText(model));
          const gone = remember(classes, key, model, MOST_CLASSES);
          if (gone !== undefined) kept.set(gone[0], undefined);
        }
      }
      return [...kept];
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
        if (key.startsWith('n') && measured !== undefined) noted(remember(nodes, key, measured, MOST_NODES));
        if (key.startsWith('c') && model !== undefined) noted(remember(classes, key, model, MOST_CLASSES));
      }
      // What went may have come again.
      return [...gone].filter((key) => !nodes.has(key) && !classes.has(key)).map((key) => [key, undefined]);
    },
  };
}

/** From the more telling to the less: the very node, with models loaded or not; its class here, and elsewhere; its name. */
function durationsBy(
  server: string,
  nodes: ReadonlyMap<string, Measured>,
  classes: ReadonlyMap<string, Model>,
): Durations {
  const measuredOn = (node: PlanNode, isCold: boolean): Expected | undefined => {
    for (const key of keysOf(server, node, isCold)) {
      const measured = nodes.get(key);
      if (measured !== undefined) return expectedFrom(measured, node);
    }
    return undefined;
  };
  return (node, isCold) => {
    const known = measuredOn(node, isCold);
    if (known !== undefined) return known;
    const other = measuredOn(node, !isCold);
    if (other !== undefined) return inOtherHeat(other, node, isCold);
    const here = classes.get(modelledKey(server, node) ?? '') ?? classes.get(classKey(server, node));
    if (here !== undefined) return expectedBy(here, node, isCold);
    // What it took elsewhere is a guess: this server may be three times as slow.
    const elsewhere = classes.get(classKey('', node));
    return elsewhere === undefined ? byName(node) : { ...expectedBy(elsewhere, node, isCold), trust: 0 };
  };
}

/** When the first of a run's nodes were at work. */
const spansOf = ({ plan, nodes }: RunClock): readonly Span[] =>
  [...plan.nodes.keys()].slice(0, NODES_A_RUN).flatMap((id) => {
    const { startedAt = 0, doneAt } = nodes.get(id) ?? {};
    return doneAt === undefined ? [] : [{ id, from: startedAt, to: doneAt }];
  });

/** Of a larger workflow the rest are known by their class: to name each would hold up everybody else. */
const NAMED = 1_000;

/** From the more telling to the less: this node of this workflow, a node of any with these inputs. */
function keysOf(server: string, node: PlanNode, isCold: boolean): readonly string[] {
  if (node.place >= NAMED) return [];
  const [inGraph, anywhere] = namesOf(node);
  const heat = isCold ? 'c' : 'w';
  return [`n${server}:${inGraph}${heat}`, `n${server}:${anywhere}${heat}`];
}

const classKey = (server: string, { type }: PlanNode): string => `c${server}:${type.length > 40 ? hash(type) : type}`;

/** The class of a node that counts, with the very model: a step of another one takes ten times as long. */
const modelledKey = (server: string, node: PlanNode): string | undefined =>
  node.context.model === undefined ? undefined : `${classKey(server, node)}@${modelKey(node.context.model)}`;

/** What a run of a node teaches: its class here, with its model where it counts, and elsewhere. */
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
