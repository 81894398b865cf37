import { noVersions, type Versions } from './versions';

/** What is known of one node that has started. */
export interface NodeTally {
  readonly value: number;
  readonly max: number;
  readonly done: boolean;
  readonly parentId?: string;
  readonly displayId?: string;
}

/** What is known of how far a job's nodes are. */
export interface Tally {
  readonly nodes: Versions<NodeTally>;
  readonly cached: ReadonlySet<string>;
  /** The output nodes that will run; where absent, the nodes nobody reads from. */
  readonly targets?: readonly string[];
  /** The node at work last. */
  readonly current?: string;
  /** Whether this server sends snapshots, which tell when a node is done. */
  readonly snapshots: boolean;
}

/** Of a run that has not begun; one object a run, for its versions follow one another. */
export const newTally = (): Tally => ({ nodes: noVersions(), cached: new Set(), snapshots: false });
