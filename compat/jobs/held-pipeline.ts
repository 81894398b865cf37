import { randomUUID } from 'node:crypto';
import { createPipeline, embeddedStore, type Pipeline, type PipelineOptions, type Report } from '../../index';
import { realClock } from './real-clock';

/** A pipeline that several use, and that lives as long as somebody does. */
export interface Held {
  readonly pipeline: Pipeline;
  /** The client id of its socket. */
  readonly clientId: string;
  /** Its holder needs it no more. The last one's resolves once everything is closed; never rejects, and may be called again. */
  readonly release: () => Promise<void>;
}

interface Shared {
  readonly pipeline: Pipeline;
  readonly serverUrl: string;
  readonly clientId: string;
  /** Whether somebody was given its client id for his own. */
  isNamed: boolean;
  holders: number;
}

/** Those that are open. */
const open = new Set<Shared>();

const find = (fits: (shared: Shared) => boolean): Shared | undefined => [...open].find(fits);

/** A pipeline of a server, opened where there is none yet: one socket a server, however many jobs and clients. */
export const hold = (serverUrl: string): Held =>
  held(find((shared) => shared.serverUrl === serverUrl) ?? opened(serverUrl, randomUUID()));

/** The pipeline whose socket has this client id; where none is given, one that nobody else was given. */
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

/** Its store is as short-lived as the pipeline: what is to outlive the process is the application's to keep. */
function opened(serverUrl: string, clientId: string): Shared {
  const store = embeddedStore({ temporary: true, clock: realClock, report });
  const options: PipelineOptions = {
    servers: [{ url: serverUrl, clientId }],
    store,
    report,
    clock: realClock,
    // Whose the jobs are, and how long they may take, is the application's to say.
    timeoutMs: Infinity,
    userLimits: { jobs: Infinity, bytes: Infinity, nodes: Infinity },
  };
  return { pipeline: createPipeline(options), serverUrl, clientId, isNamed: false, holders: 0 };
}

const report: Report = (where, error) =>
  console.warn(`comfyui-jobstream: ${where}: ${error instanceof Error ? error.message : String(error)}`);
