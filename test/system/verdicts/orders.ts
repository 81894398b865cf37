import type { SubmitRequest } from '../../../pipeline/api';
import type { Workflow } from '../../../streams/job/workflow';
import type { Prompt } from '../../support/comfyui/execution/graph';
import {
  characterSheet,
  faceSwap,
  image,
  nodeError,
  outOfMemory,
  rejected,
  training,
} from '../../support/comfyui/workflows';
import type { Chance } from '../seeded';

/** What is meant to become of a job, if nothing else happens to it. */
export type Meant = 'complete' | 'break' | 'run out of memory' | 'be refused' | 'be cancelled';

/** A job to be submitted. */
export interface Order {
  readonly n: number;
  readonly meant: Meant;
  /** Seconds that it runs for, where that is long. */
  readonly long: boolean;
  /** Milliseconds after the start. */
  readonly at: number;
  readonly request: SubmitRequest;
}

export const TYPES = ['image_generation', 'lora_training', 'face_swap', 'character_sheet'] as const;

/** How the jobs are made up; what is left of them are good ones of all four types. */
export interface Make {
  readonly count: number;
  /** So many trainings of `longSeconds` among them. */
  readonly long: number;
  readonly longSeconds: number;
  /** So many of the first come at once, the rest spread over `spreadMs`. */
  readonly atOnce: number;
  readonly spreadMs: number;
  readonly timeScale: number;
  readonly servers: readonly string[];
}

export function orders(make: Make, chance: Chance): readonly Order[] {
  const { count, long, longSeconds, atOnce, spreadMs, timeScale, servers } = make;
  const rare: readonly Meant[] = [
    ...repeated<Meant>('break', 8),
    ...repeated<Meant>('run out of memory', 8),
    ...repeated<Meant>('be refused', 4),
    ...repeated<Meant>('be cancelled', 8),
  ];
  const kinds = chance.shuffled<Meant | 'long'>([
    ...rare,
    ...repeated<'long'>('long', long),
    ...repeated<Meant>('complete', Math.max(0, count - rare.length - long)),
  ]);
  let longs = 0;
  return kinds.map((kind, n) => {
    const isLong = kind === 'long';
    const type = isLong ? 'lora_training' : TYPES[n % TYPES.length]!;
    const seed = n * 16 + 1;
    const pace = { steps: 120, secondsPerStep: longSeconds / 120 / timeScale, seed };
    const workflow = isLong ? training(pace) : workflowOf(kind, type, seed);
    return {
      n,
      meant: isLong ? 'complete' : kind,
      long: isLong,
      at: n < atOnce ? n * 40 : chance.between(atOnce * 40, spreadMs),
      request: {
        type,
        userId: `user-${n % 7}`,
        metadata: { order: n },
        workflow: marked(workflow, n),
        ...(n % 3 === 0 && { onLost: 'resubmit' as const }),
        ...(kind === 'run out of memory' && n % 2 === 0 && { maxAttempts: 2 }),
        // Long ones one after the other to each server, or all of them might run on one.
        ...(isLong && { server: servers[longs++ % servers.length]! }),
      },
    };
  });
}

/** The nth job of a load that goes on and on: a few of them break, the rest are good and of all types. */
export function steadyOrder(n: number): Order {
  const meant: Meant = n % 40 === 39 ? 'break' : 'complete';
  const type = TYPES[n % TYPES.length]!;
  return {
    n,
    meant,
    long: false,
    at: 0,
    request: {
      type,
      userId: `user-${n % 7}`,
      metadata: { order: n },
      workflow: marked(workflowOf(meant, type, n * 16 + 1), n),
      ...(n % 3 === 0 && { onLost: 'resubmit' as const }),
    },
  };
}

function workflowOf(meant: Meant, type: (typeof TYPES)[number], seed: number): Prompt {
  switch (meant) {
    case 'break':
      return nodeError({ seed });
    case 'run out of memory':
      return outOfMemory({ seed });
    case 'be refused':
      return rejected();
    case 'complete':
    case 'be cancelled':
      switch (type) {
        case 'image_generation':
          return image({ seed });
        case 'lora_training':
          return training({ seed });
        case 'face_swap':
          return faceSwap({ seed });
        case 'character_sheet':
          return characterSheet({ seed });
      }
  }
}

/** Says in the workflow itself which order it is of: ids change, and one server's are not another's. */
function marked(workflow: Prompt, n: number): Workflow {
  const [id, node] = Object.entries(workflow)[0]!;
  return { ...workflow, [id]: { ...node, _meta: { title: `order ${n}` } } };
}

/** Which order a workflow is of. */
export function orderOf(workflow: unknown): number | undefined {
  const titles = Object.values(workflow as Workflow).map((node) => node._meta?.title ?? '');
  const title = titles.find((each) => each.startsWith('order '));
  return title === undefined ? undefined : Number(title.slice('order '.length));
}

const repeated = <T>(one: T, times: number): readonly T[] => Array.from({ length: times }, () => one);
