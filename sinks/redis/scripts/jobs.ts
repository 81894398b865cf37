import { lua, type Script } from './lua';

/**
 * The answer of `index/page.lua`: jobs by standing, and for each standing asked for a list of promptId, `startedAt`,
 * ….
 */
export type IndexPage = readonly [counts: readonly number[], ...ofStandings: readonly (readonly string[])[]];

/** The answer of `index/usage.lua`. */
export type UsageAnswer = readonly [jobs: number, bytes: number];

/** The answer of `jobs/put.lua`. `listeners` is how many received the state; -1 if it was not published. */
export type PutAnswer = readonly [outcome: 'stored' | 'created' | 'stale' | 'overwrote', listeners: number];

export interface JobScripts {
  readonly putJobState: Script<PutAnswer>;
  readonly announce: Script<number>;
  readonly keepFile: Script<number>;
  readonly putInIndex: Script<number>;
  readonly renewInIndex: Script<readonly number[]>;
  readonly dropFromIndex: Script<number>;
  readonly pageOfIndex: Script<IndexPage>;
  readonly usageInIndex: Script<UsageAnswer>;
  readonly missingInIndex: Script<readonly string[]>;
  readonly dropForeign: Script<number>;
  readonly addToWatched: Script<number>;
  readonly dropFromWatched: Script<number>;
  readonly probe: Script<string>;
}

const ofOwner = (name: string) => lua(7, 'index/of-owner', `index/${name}`);

export const JOB_SCRIPTS = {
  putJobState: lua(5, 'looked', 'jobs/put'),
  announce: lua(2, 'jobs/announce'),
  keepFile: lua(2, 'jobs/keep-file'),
  putInIndex: ofOwner('put'),
  renewInIndex: ofOwner('renew'),
  dropFromIndex: ofOwner('drop'),
  pageOfIndex: ofOwner('page'),
  usageInIndex: ofOwner('usage'),
  missingInIndex: ofOwner('missing'),
  dropForeign: lua(1, 'index/drop-foreign'),
  addToWatched: lua(1, 'jobs/watch-add'),
  dropFromWatched: lua(1, 'jobs/watch-drop'),
  probe: lua(1, 'jobs/probe'),
} satisfies Record<keyof JobScripts, object>;
