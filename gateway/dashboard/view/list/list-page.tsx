import { useEffect, useRef, useState } from 'preact/hooks';
import type { PublicJob } from '../../../wire/public-job';
import { notify } from '../../live/notices';
import { anyJob, fits, listed, standingOf, type Standing, type Wanted } from '../../model/wanted';
import { drawnBy } from '../parts/drawn-by';
import { Filters } from './filters';
import { useSession } from '../parts/session-context';
import { VirtualList } from './virtual-list';

/** More would not help anybody to choose. */
const MOST_USERS = 50;

/** All jobs, as wanted. */
export function ListPage({ wanted }: { readonly wanted: Wanted }) {
  const { board, listing } = useSession();
  // Batches of changes and pages draw it anew.
  drawnBy(board.version, listing.pages);
  const jobs = [...board.jobs.values()];
  const shown = listed(jobs, wanted);
  const looked = listing.looked.value;
  const { standing } = wanted;
  const showsEnded = standing !== 'running' && standing !== 'waiting';
  return (
    <>
      <h1 class="unseen">Jobs</h1>
      <Filters wanted={wanted} {...surveyOf(jobs, wanted)} />
      {shown.length > 0 && <VirtualList jobs={shown} label="Jobs" />}
      {shown.length === 0 && <Nothing looked={looked} isFiltered={JSON.stringify(wanted) !== JSON.stringify(anyJob)} />}
      {looked && showsEnded && listing.hasOlder(wanted) && <Older wanted={wanted} />}
    </>
  );
}

/** How many there are by status, of the jobs that fit the other filters, and what can be chosen. */
function surveyOf(jobs: readonly PublicJob[], wanted: Wanted) {
  const counts: Record<Standing, number> = { all: 0, running: 0, waiting: 0, completed: 0, failed: 0 };
  for (const job of jobs) {
    if (!fits(job, { ...wanted, standing: 'all' })) continue;
    counts.all += 1;
    counts[standingOf(job)] += 1;
  }
  const types = [...new Set(jobs.map(({ type }) => type))].sort();
  const users = [...new Set(jobs.map(({ userId }) => userId))].sort().slice(0, MOST_USERS);
  return { counts, types, users };
}

function Nothing({ looked, isFiltered }: { readonly looked: boolean; readonly isFiltered: boolean }) {
  if (!looked) return <p class="empty">Looking for jobs …</p>;
  return (
    <div class="empty">
      <h2>{isFiltered ? 'No job matches' : 'No jobs yet'}</h2>
      <p>
        {isFiltered
          ? 'Jobs show up here as soon as they fit the filter.'
          : 'Drop a workflow’s JSON file anywhere on this page, or submit one with POST /jobs.'}
      </p>
    </div>
  );
}

/** Ended jobs are listed as far as asked for: there may be tens of thousands. */
function Older({ wanted }: { readonly wanted: Wanted }) {
  const { listing } = useSession();
  const [busy, setBusy] = useState(false);
  const abort = useRef(new AbortController());
  useEffect(() => () => abort.current.abort(), []);
  const load = (): void => {
    const { signal } = abort.current;
    setBusy(true);
    listing
      .older(wanted, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) notify(`Not loaded: ${error instanceof Error ? error.message : String(error)}`);
      })
      .finally(() => setBusy(false));
  };
  return (
    <button type="button" class="older" disabled={busy} onClick={load}>
      {busy ? 'Loading …' : 'Show older ended jobs'}
    </button>
  );
}
