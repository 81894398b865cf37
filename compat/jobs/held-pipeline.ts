import { randomUUID } from 'node:crypto';
import { createPipeline, embeddedStore, type Pipeline, type PipelineOptions, type Report } from '../../index';
import { realClock } from './real-clock';

/** A pipeline that several holders share; it is closed when the last one releases it. */
export interface Held {
  readonly pipeline: Pipeline;
  /** The client id of its socket. */
  readonly clientId: string;
  /** Releases it. The last holder's call resolves once everything is closed. Never rejects, and may be called again. */
  readonly release: () => Promise<void>;
}

interface Shared {
  readonly pipeline: Pipeline;
  readonly serverUrl: string;
  readonly clientId: string;
  /** Whether a caller was given its client id. */
  isNamed: boolean;
  holders: number;
}

/** The pipelines that are open. */
const open = new Set<Shared>();

const find = (fits: (shared: Shared) => boolean): Shared | undefined => [...open].find(fits);

/** Holds a pipeline of a server, and opens one if there is none: one socket a server, however many jobs and clients. */
export const hold = (serverUrl: string): Held =>
  held(find((shared) => shared.serverUrl === serverUrl) ?? opened(serverUrl, randomUUID()));

/** Holds the pipeline whose socket has this client id; if none is given, one whose id no other caller was given. */
export function holdNamed(serverUrl: string, clientId?: string): Held {
  const shared =
    find(
      (each) => each.serverUrl === serverUrl && (clientId === undefined ? !each.isNamed : each.clientId === clientId),
    ) ?? opened(serverUrl, clientId ?? randomUUID());
  shared.isNamed = true;
  return held(shared);
}

function held(shared: Shared): Held {
  open.add(shared);
  shared.holders += 1;
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    shared.holders -= 1;
    if (shared.holders > 0) return;
    open.delete(shared);
    await shared.pipeline.close();
  };
  return { pipeline: shared.pipeline, clientId: shared.clientId, release: () => (released ??= release()) };
}

/** Opens a pipeline, whose store ends with it: what is to outlive the process, the application keeps. */
function opened(serverUrl: string, clientId: string): Shared {
  const store = embeddedStore({ temporary: true, clock: realClock, report });
  const options: PipelineOptions = {
    servers: [{ url: serverUrl, clientId }],
    store,
    report,
    clock: realClock,
    // The application bounds its users, and the time of its jobs.
    timeoutMs: Infinity,
    userLimits: { jobs: Infinity, bytes: Infinity, nodes: Infinity },
  };
  return { pipeline: createPipeline(options), serverUrl, clientId, isNamed: false, holders: 0 };
}

const report: Report = (where, error, serverUrl) => {
  const at = serverUrl === undefined ? '' : ` ${serverUrl}`;
  console.warn(`comfyui-jobstream: ${where}${at}: ${error instanceof Error ? error.message : String(error)}`);
};
