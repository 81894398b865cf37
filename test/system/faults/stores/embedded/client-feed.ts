import { exhaustMap, filter } from 'rxjs';
import { jobstream, type JobState as PublicJob } from '../../../../../gateway/client';
import { isNewer, isSettled } from '../../../../../streams/job/job-state';
import type { Feed } from '../../../watching/feed';
import { sightOf, type KnownState, type Record } from '../../../watching/watching';
import type { TestedStore } from '../tested-store';
import { knownState, listed } from './listed';

/** What the project's client tells of all jobs; and what is listed, after each connection and whenever that is asked for. */
export interface ClientFeed extends Feed {
  /** The client as a watcher: one record of a job, over all its connections. */
  readonly watchers: TestedStore['others'];
  /** States that the client told. */
  told(): number;
  /** Lists all jobs since the oldest live one. Does nothing where the service does not answer. */
  refresh(): Promise<void>;
}

export function clientFeed(url: string): ClientFeed {
  const client = jobstream({ url });
  const newest = new NewestStates();
  const records = new Map<string, Record>();
  let told = 0;

  async function refresh(): Promise<void> {
    const states = await listed(url, newest.oldestLive()).catch(() => []);
    states.forEach((state) => newest.take(state));
  }

  function heard(job: PublicJob): void {
    told += 1;
    const record = records.get(job.promptId) ?? { by: 'client', promptId: job.promptId, sights: [] };
    records.set(job.promptId, record);
    record.order = job.metadata?.['order'];
    record.sights.push(sightOf(job));
    newest.take(knownState(job));
  }

  const hearing = client.watchMine().subscribe(heard);
  // The client is told of 200 live jobs at once, and asks for what ended of those it knows.
  client.status$
    .pipe(
      filter((status) => status === 'connected'),
      exhaustMap(refresh),
    )
    .subscribe();

  return {
    // While the client is not connected, a job that was submitted is known by this alone.
    follow: (promptId) => void stateOf(url, promptId).then((state) => state && newest.take(state)),
    forget: (promptId) => void newest.latest.delete(promptId),
    latest: newest.latest,
    unsettled: newest.unsettled,
    watchers: {
      name: 'client',
      watch: () => undefined,
      get records() {
        return [...records.values()];
      },
      close: () => undefined,
    },
    told: () => told,
    refresh,
    close: () => {
      hearing.unsubscribe();
      client.close();
    },
  };
}

async function stateOf(url: string, promptId: string): Promise<KnownState | undefined> {
  try {
    const answer = await fetch(`${url}/jobs/${promptId}`, { signal: AbortSignal.timeout(20_000) });
    return answer.ok ? knownState((await answer.json()) as PublicJob) : undefined;
  } catch {
    return undefined;
  }
}

/** The newest state of each job, whatever the order in which they come. */
class NewestStates {
  readonly latest = new Map<string, KnownState>();
  readonly unsettled: string[] = [];

  take(after: KnownState): void {
    const { promptId } = after;
    const before = this.latest.get(promptId);
    if (before !== undefined && !isNewer(after, before)) return;
    if (before !== undefined && isSettled(before)) this.unsettled.push(promptId);
    this.latest.set(promptId, after);
  }

  /** When the oldest job that has not ended was submitted. */
  oldestLive(): number {
    const live = [...this.latest.values()].filter((state) => !isSettled(state));
    return live.reduce((oldest, { startedAt }) => Math.min(oldest, startedAt), Date.now());
  }
}
