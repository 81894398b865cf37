import type { KnownState } from './watching';

/** The newest states of a bench's jobs, past the watchers whose word is judged by them. */
export interface Feed {
  follow(promptId: string): void;
  /** No longer: the job goes by another id. */
  forget(promptId: string): void;
  /** The newest state of each job. */
  readonly latest: ReadonlyMap<string, KnownState>;
  /** Jobs whose settled state was followed by another. */
  readonly unsettled: readonly string[];
  close(): void;
}
