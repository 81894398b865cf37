import type { Faults } from '../faults';
import type { Files } from '../http/files';
import type { OutputCache } from './output-cache';
import type { Sockets } from '../sockets/sockets';
import type { VersionTraits } from '../versions';

/** What a job runs on. */
export interface Machine {
  readonly traits: VersionTraits;
  readonly sockets: Sockets;
  readonly cache: OutputCache;
  readonly faults: Faults;
  readonly files: Files;
  readonly timeScale: number;
  /** Aborts when the process is killed. */
  readonly signal: AbortSignal;
  interrupted: boolean;
}
