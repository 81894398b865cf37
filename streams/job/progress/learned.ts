import { byName, type Expected } from './expected';
import type { PlanNode } from './plan';
import { emptyModel, expectedBy, learnt, type Model } from './class-model';
import type { NodeRun } from './node-run';
import type { RunClock } from './run-clock';

/** What one node took, over the runs of it. */
export interface Measured {
  readonly runs: number;
  readonly fixedMs: number;
  /** 0 where it did not count. */
  readonly stepMs: number;
  readonly steps: number;
  readonly rounds: number;
  /** When it was measured last, ms since 1970. */
  readonly at: number;
}

/** What earlier runs tell of nodes' durations, by server. Bounded: what was not seen for longest is forgotten first. */
export interface Learned {
  /** What a node will take on a server; a guess by its name where nothing tells. */
  readonly durationOf: (serverUrl: string, node: PlanNode, isCold: boolean) => Expected;
  /** Takes in a run that has ended well. */
  readonly learn: (serverUrl: string, run: RunClock, at: number) => void;
  readonly toJson: () => LearnedJson;
}

export interface LearnedJson {
  readonly nodes: readonly (readonly [string, Measured])[];
  readonly classes: readonly (readonly [string, Model])[];
}

/** Nodes and classes remembered: about 100 bytes and 1 KB each as JSON. */
const MOST_NODES = 6_000;
const MOST_CLASSES = 300;
/** Newer runs weigh more: a server is replaced, a model is swapped. */
const RECENT = 8;

export function learnedFrom(json: LearnedJson = { nodes: [], classes: [] }): Learned {
  const nodes = new Map(json.nodes);
  const classes = new Map(json.classes);

  const remember = <V>(map: Map<string, V>, key: string, value: V, most: number): void => {
    map.delete(key);
    map.set(key, value);
    const oldest = map.keys().next();
    if (map.size > most && oldest.done !== true) map.delete(oldest.value);
  };

  return {
    durationOf: (serverUrl, node, isCold) => {
      for (const key of keysOf(serverUrl, node, isCold)) {
        const measured = nodes.get(key);
        if (measured !== undefined) return expectedOf(measured, node, Math.min(1, 0.6 + 0.2 * measured.runs));
      }
      const model = classes.get(`${serverUrl} ${node.type}`) ?? classes.get(` ${node.type}`);
      return model === undefined ? byName(node) : expectedBy(model, node);
    },
    learn: (serverUrl, run, at) => {
      const { isCold } = run;
      for (const [id, node] of run.plan.nodes) {
        const seen = run.nodes.get(id);
        if (seen?.doneAt === undefined) continue;
        const measured = measuredOf(seen, seen.doneAt, at);
        for (const key of keysOf(serverUrl, node, isCold)) {
          const before = nodes.get(key);
          remember(nodes, key, before === undefined ? measured : blended(before, measured), MOST_NODES);
        }
        for (const key of [`${serverUrl} ${node.type}`, ` ${node.type}`])
          remember(classes, key, learnt(classes.get(key) ?? emptyModel, node, measured), MOST_CLASSES);
      }
    },
    toJson: () => ({ nodes: [...nodes], classes: [...classes] }),
  };
}

/** From the most telling to the least: this node here, a node with these inputs here, the same on any server. */
function keysOf(serverUrl: string, { inGraph, anywhere }: PlanNode, isCold: boolean): readonly string[] {
  const heat = isCold ? 'c' : 'w';
  return [`${serverUrl} ${inGraph}${heat}`, `${serverUrl} ${anywhere}${heat}`, ` ${anywhere}${heat}`];
}

function measuredOf(node: NodeRun, doneAt: number, at: number): Measured {
  const tookMs = doneAt - node.startedAt;
  const rounds = node.rounds + 1;
  const counts = node.max > 1 && node.paceMs > 0;
  if (!counts) return { runs: 1, fixedMs: tookMs, stepMs: 0, steps: 1, rounds: 1, at };
  const stepMs = Math.min(node.paceMs, tookMs / (node.max * rounds));
  return { runs: 1, fixedMs: tookMs - stepMs * node.max * rounds, stepMs, steps: node.max, rounds, at };
}

function blended(before: Measured, next: Measured): Measured {
  const weight = 1 / Math.min(RECENT, before.runs + 1);
  const mean = (a: number, b: number): number => a + (b - a) * weight;
  return {
    runs: before.runs + 1,
    fixedMs: mean(before.fixedMs, next.fixedMs),
    stepMs: next.stepMs === 0 || before.stepMs === 0 ? next.stepMs : mean(before.stepMs, next.stepMs),
    steps: next.steps,
    rounds: mean(before.rounds, next.rounds),
    at: next.at,
  };
}

/** What was measured, for as many steps as it will take this time. */
const expectedOf = ({ fixedMs, stepMs, steps, rounds }: Measured, node: PlanNode, trust: number): Expected => ({
  fixedMs,
  stepMs,
  steps: stepMs > 0 && rounds === 1 ? (node.steps ?? steps) : steps,
  rounds,
  trust,
});
