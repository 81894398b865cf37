import { Faults } from './faults';
import { Files, type FileRef } from './http/files';
import { listen } from './http/http';
import type { Listener, SeenRequest } from './http/http';
import { freePort } from '../network/ports';
import type { Prompt } from './execution/graph';
import { emptyMemory, ServerProcess } from './server-process';
import type { Memory } from './server-process';
import { traitsOf } from './versions';
import type { ComfyUIVersion } from './versions';

/** How to start a stand-in. */
export interface StandInOptions {
  readonly version: ComfyUIVersion;
  /** 0 for any free one. */
  readonly port?: number;
  readonly host?: string;
  /** How long a simulated second takes, in seconds: 0.1 runs workflows ten times faster. */
  readonly timeScale?: number;
  readonly faults?: Partial<Faults>;
}

/** A workflow that was started. */
export interface ExecutedWorkflow {
  readonly promptId: string;
  readonly clientId: string | undefined;
  readonly extraData: Readonly<Record<string, unknown>>;
  readonly workflow: Prompt;
  /** Ms since 1970. */
  readonly startedAt: number;
}

/** A real HTTP and WebSocket server that behaves as ComfyUI and runs simulated nodes. */
export interface ComfyUIStandIn {
  readonly url: string;
  readonly port: number;
  /** What is wrong with it; set and unset at any time. */
  readonly faults: Faults;
  /** Every HTTP request seen so far, WebSocket handshakes apart. */
  readonly requests: readonly SeenRequest[];
  /** The bodies of the last few `POST /prompt`, as they came. */
  readonly posted: readonly string[];
  /** How often each job was started, by `prompt_id`. */
  readonly executions: ReadonlyMap<string, number>;
  /** Every job started, in order. */
  readonly executedWorkflows: readonly ExecutedWorkflow[];
  /** Open WebSocket connections. */
  sockets(): number;
  /** Closes every WebSocket: by cutting its connection, or with a close frame. */
  dropSockets(how: 'abrupt' | 'clean'): void;
  /** Takes a waiting job out of the queue without a frame to anyone; whether it was there. */
  deleteFromQueue(promptId: string): boolean;
  /** Replaces what a file of its disk holds. */
  replaceFile(file: FileRef, bytes: Buffer, mimeType: string): void;
  /** Ends as by `kill -9`: connections are cut and the port is closed. */
  kill(): Promise<void>;
  /** Listens again on the same port after `kill`, with queue and history, without the job that ran. */
  start(): Promise<void>;
  /** Kills and starts it with queue, running job and history forgotten. */
  restart(): Promise<void>;
  /** Ends it for good; the same as `kill`. */
  stop(): Promise<void>;
}

interface Execution {
  readonly promptId: string;
  readonly extraData: ExecutedWorkflow['extraData'];
  readonly prompt: Prompt;
}

/** Every job that was started, in order, and how often. */
function executed() {
  const executions = new Map<string, number>();
  const executedWorkflows: ExecutedWorkflow[] = [];
  const onExecution = ({ promptId, extraData, prompt }: Execution): void => {
    const { client_id } = extraData;
    const clientId = typeof client_id === 'string' ? client_id : undefined;
    executions.set(promptId, (executions.get(promptId) ?? 0) + 1);
    executedWorkflows.push({ promptId, clientId, extraData, workflow: prompt, startedAt: Date.now() });
  };
  return { executions, executedWorkflows, onExecution };
}

/** Starts a ComfyUI of that version. */
export async function startComfyUI(options: StandInOptions): Promise<ComfyUIStandIn> {
  const { version, port = await freePort(), host = '127.0.0.1', timeScale = 1 } = options;
  const faults = Object.assign(new Faults(), options.faults);
  const requests: SeenRequest[] = [];
  const posted: string[] = [];
  const { executions, executedWorkflows, onExecution } = executed();
  const setting = { traits: traitsOf(version), faults, files: new Files(), timeScale, onExecution };

  let process = new ServerProcess(setting, emptyMemory());
  let listener: Listener | undefined = await listen(process, { host, port }, requests, posted);
  const listening = { host, port: listener.port };

  const kill = async () => {
    const closing = listener;
    listener = undefined;
    process.end();
    await closing?.close();
  };
  const start = async (memory: Memory) => {
    process = new ServerProcess(setting, memory);
    listener = await listen(process, listening, requests, posted);
  };

  return {
    url: `http://${host}:${listening.port}`,
    port: listening.port,
    faults,
    requests,
    posted,
    executions,
    executedWorkflows,
    sockets: () => process.sockets.size,
    dropSockets: (how) => process.sockets.drop(how),
    deleteFromQueue: (promptId) => process.remove(promptId, true),
    replaceFile: (file, bytes, mimeType) => setting.files.replace(file, bytes, mimeType),
    kill,
    start: () => start(process.memory),
    restart: async () => {
      await kill();
      await start(emptyMemory());
    },
    stop: kill,
  };
}
