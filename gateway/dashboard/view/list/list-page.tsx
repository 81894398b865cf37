import { useEffect, useRef, useState } from 'preact/hooks';
import { notify } from '../../live/notices';
import { holderOf } from '../../live/access/token';
import { now } from '../../live/now';
import { anyJob, idIn, inOrder, type Wanted } from '../../model/wanted';
import { drawnBy } from '../parts/drawn-by';
import { useSession } from '../parts/session-context';
import { Filters } from './filters';
import { surveyOf } from './survey';
import { VirtualList } from './virtual-list';
import { messageOf } from '../../../../streams/workflow/shown-text';

/** The gateway is asked once the filters have not changed for 250 ms: the person may still be typing. */
const TYPING_MS = 250;

/** The list of jobs, filtered. */
export function ListPage({ wanted }: { readonly wanted: Wanted }) {
  const { cache, listing, token } = useSession();
  // Redraw with each batch of changes and each page.
  drawnBy(cache.version, listing.pages);
  const asking = useAsked(wanted);
  const looked = listing.looked.value;
  const hasOlder = listing.hasOlder(wanted);
  const { shown, ...survey } = surveyOf(cache.jobs.values(), wanted, {
    now: now.peek() - cache.clockSkewMs(),
    isFound: (promptId) => wanted.text !== '' && listing.isFound(wanted, promptId),
    totals: listing.totalsOf(wanted.user.trim()),
    hasOlder,
    isAll: looked && listing.isAsked(anyJob) && !listing.hasOlder(anyJob),
  });
  const jobs = [...shown].sort(inOrder);
  return (
    <>
      <h1 class="unseen">Jobs</h1>
      <Filters wanted={wanted} {...survey} hasUsers={holderOf(token).isService} />
      {jobs.length > 0 && <VirtualList jobs={jobs} label="Jobs" />}
      {jobs.length === 0 && <Nothing wanted={wanted} busy={!looked || asking} hasOlder={hasOlder} />}
      {looked && hasOlder && <Older wanted={wanted} />}
    </>
  );
}

/** Asks the gateway for the wanted jobs, and for the one whose id the text may be. Returns whether an answer is due. */
function useAsked(wanted: Wanted): boolean {
  const { listing, link } = useSession();
  const looked = listing.looked.value;
  const isLinked = link.value === 'connected';
  const [asked, setAsked] = useState('');
  const name = JSON.stringify(wanted);
  const isAny = name === ANY;
  useEffect(() => {
    if (isAny || !looked) return;
    const abort = new AbortController();
    const { signal } = abort;
    const typing = setTimeout(() => {
      const id = idIn(wanted.text);
      Promise.all([listing.ask(wanted, signal), id === undefined ? undefined : listing.find(id, signal)])
        .then(() => setAsked(name))
        .catch((error: unknown) => {
          if (signal.aborted) return;
          setAsked(name);
          notify(`The gateway did not find more: ${messageOf(error)}`);
        });
    }, TYPING_MS);
    return () => {
      clearTimeout(typing);
      abort.abort();
    };
  }, [name, looked, isLinked, listing]);
  return !isAny && asked !== name;
}

const ANY = JSON.stringify(anyJob);

interface NothingProps {
  readonly wanted: Wanted;
  readonly busy: boolean;
  readonly hasOlder: boolean;
}

function Nothing({ wanted, busy, hasOlder }: NothingProps) {
  const isAny = JSON.stringify(wanted) === ANY;
  if (busy) return <p class="empty">Looking for jobs …</p>;
  if (isAny)
    return (
      <div class="empty">
        <h2>No jobs yet</h2>
        <p>
          Drop a workflow anywhere on this page, as ComfyUI’s JSON or a picture that it saved; or submit one with POST
          /jobs.
        </p>
      </div>
    );
  return (
    <div class="empty">
      <h2>{hasOlder ? 'No job matches so far' : 'No job matches'}</h2>
      <p>
        {idIn(wanted.text) === undefined
          ? 'Jobs show up here as soon as they fit the filter.'
          : 'There is no job of this id that fits, or none that you may see. States are kept for two hours after the last change.'}
      </p>
    </div>
  );
}

/** A button that loads the next pages: there may be tens of thousands of jobs. */
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
        if (!signal.aborted) notify(`Not loaded: ${messageOf(error)}`);
      })
      .finally(() => setBusy(false));
  };
  return (
    <button type="button" class="older" disabled={busy} onClick={load}>
      {busy ? 'Loading …' : 'Show older jobs'}
    </button>
  );
}
