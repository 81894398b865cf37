import type { DynamicPrompt } from '../execution/dynamic-prompt';
import type { Files } from '../http/files';
import type { ExpandedNode } from '../execution/graph';
import type { Float } from '../http/python-json';

/** What a node takes under a name, as its `INPUT_TYPES` declares it: a type, or the values to choose from. */
export type InputSpec = readonly [type: string | readonly string[], options?: InputOptions];
export interface InputOptions {
  readonly default?: unknown;
  readonly min?: number;
  readonly max?: number | bigint;
  readonly step?: number;
  readonly lazy?: boolean;
  /** The node gets the link itself instead of its value. */
  readonly rawLink?: boolean;
}

/** What a running node can do. */
export interface NodeContext {
  readonly nodeId: string;
  readonly prompt: DynamicPrompt;
  readonly files: Files;
  /** Seconds of simulated time. */
  sleep(seconds: number): Promise<void>;
  /** Resolves once the server lets the node take that step. */
  mayTake(step: number): Promise<void>;
  /** Simulated seconds since the node started. */
  elapsed(): number;
  /** Reports progress; throws `InterruptProcessing` once the job was interrupted. */
  progress(value: number | Float, max: number | Float, preview?: Buffer, format?: 'JPEG' | 'PNG'): void;
  text(message: string): void;
}

/** What a node gave: its outputs, what the browser shows of it, the nodes it turned into. */
export interface NodeResult {
  readonly result: readonly unknown[];
  readonly ui?: Readonly<Record<string, unknown>>;
  readonly expand?: Readonly<Record<string, ExpandedNode>>;
}

/** Inputs by name, links already followed. */
export type Inputs = Readonly<Record<string, unknown>>;

/** One kind of node. */
export interface NodeClass {
  readonly required: Readonly<Record<string, InputSpec>>;
  readonly optional?: Readonly<Record<string, InputSpec>>;
  readonly returns: readonly string[];
  readonly isOutput?: boolean;
  readonly isAsync?: boolean;
  /** Whether two such nodes with equal inputs still differ. */
  readonly unique?: boolean;
  /** Which lazy inputs are needed, having seen the others. */
  checkLazy?(inputs: Inputs): readonly string[];
  run(inputs: Inputs, context: NodeContext): NodeResult | Promise<NodeResult>;
}

/** An exception a node raises, as Python would show it. */
export class PythonError extends Error {
  constructor(
    readonly exceptionType: string,
    message: string,
    /** The traceback's last line. */
    readonly at: string,
  ) {
    super(message);
  }
}

/** An output that keeps whatever reads from it from running; with a message, output nodes tell it. */
export class Blocker {
  constructor(readonly message: string | undefined) {}
}

/** Ends a job that was interrupted. */
export class InterruptProcessing extends Error {}
