import { isSettled } from '../../../streams/job/job-state';
import type { FaultRun } from './fault-bench';
import { contradictions, violations } from '../verdicts/order';
import { atLeast, atMost, noted, withinSeconds, type Row } from '../table';
import { executionsOf } from '../verdicts/truth';
import { accidents, wrongEnd, type Fate } from '../verdicts/verdicts';
import { grouped } from '../verdicts/grouped';
import { isForgotten } from '../verdicts/forgotten';
import type { KnownState } from '../watching/watching';

/** The state without its outputs and metadata; with its session, where the store tells it. */
const short = ({ promptId, status, attempt, epoch, seq, updatedAt, serverUrl, failure, ...rest }: KnownState) => ({
  promptId,
  status,
  attempt,
  epoch,
  seq,
  updatedAt,
  serverUrl,
  failure: failure?.kind,
  ...('clientId' in rest && { clientId: rest.clientId }),
});

/** The report of a run. */
export function faultResults(run: FaultRun): readonly Row[] {
  const { targets, store, load, mischief, vigil, records, takeOvers, ofStore, crashes } = run;
  const found = findings(run);
  const saw = (some: string): number => records.filter(({ by }) => by === some).length;
  const kinds = grouped(mischief.happened, ({ what }) => what);
  sayWhatIsWrong(run, found);
  return [
    noted('jobs', `${found.fates.length}, and ${load.orders.length - found.fates.length} not answered and not taken`),
    noted('troubles', [...kinds].map(([what, some]) => `${some.length} ${what}`).join(', ')),
    noted('watchers', [...store.bench.instances, store.others].map(({ name: by }) => `${by} ${saw(by)}`).join(', ')),
    atLeast(store.targets.writes, targets.writes, vigil.writes()),
    atLeast('kills and stops', targets.killsAndStops, mischief.killsAndStops()),
    atMost('states out of order, of all watchers', 0, found.disorders.length),
    atMost('jobs that ended differently for two watchers', 0, contradictions(records).length),
    withinSeconds('longest that a job had no watcher', 20, vigil.longestMs() / 1000),
    ...vigil.details(),
    atMost('terminal states lost', 0, new Set([...found.gone, ...store.feed.unsettled]).size),
    atMost('wrong ends', 0, found.wrong.length),
    noted(
      '  forgotten by ComfyUI before anybody could ask',
      `${found.fates.filter(({ unknowable }) => unknowable).length}`,
    ),
    atMost('executed twice by accident', 0, found.twice.length),
    ...takeOvers.map(({ how, jobs, ms }) =>
      withinSeconds(`take-over of ${jobs} jobs after ${how}`, store.targets.takeOverMs[how] / 1000, ms / 1000),
    ),
    ...ofStore.rows,
    atMost('crashes of the service', 0, crashes.length),
  ];
}

/** What a run's jobs, watchers and servers show when they are compared. */
function findings({ store, load, truth, mischief, records, states }: FaultRun) {
  const statesOf = grouped(states, ({ metadata }) => Number(metadata?.['order']));
  const executions = grouped(executionsOf(store.bench.servers), ({ order }) => order);
  const executed = (n: number) => executions.get(n) ?? [];
  const taken = load.orders.filter(({ n }) => !load.unanswered.includes(n) || statesOf.has(n) || executions.has(n));
  const restarts = mischief.happened.filter(({ what }) => what === 'ComfyUI restart');
  const outages = store.outages(mischief.happened);
  const fates = taken.map((order): Fate => ({
    order,
    cancelled: false,
    deleted: false,
    forgotten: restarts.filter(({ struck }) => struck.includes(order.n)).length,
    unknowable: executed(order.n).some(({ runId }) => isForgotten(truth.endings.get(runId), outages)),
  }));
  const seen = (n: number): string => {
    const runs = executed(n).map((run) => ({ ...run, endedAt: truth.endings.get(run.runId)?.at }));
    return `order ${n}: ${JSON.stringify([statesOf.get(n)?.map(short), runs, load.unanswered.includes(n)])}`;
  };
  const wrong = fates.flatMap((fate) => {
    const { n } = fate.order;
    const why = wrongEnd(statesOf.get(n) ?? [], fate, truth.endings, executed(n));
    return why === undefined ? [] : [`${why}, ${seen(n)}`];
  });
  const ends = new Map(states.map((state) => [state.promptId, state.status]));
  const lostEnds = records.filter(({ promptId, sights }) => {
    const last = sights.at(-1);
    return last !== undefined && isSettled(last) && ends.get(promptId) !== last.status;
  });
  return {
    fates,
    wrong,
    executions,
    seen,
    statesOf,
    lostEnds,
    twice: fates.filter((fate) => accidents(fate, executed(fate.order.n), truth.endings) > 0),
    disorders: records.flatMap(violations),
    gone: new Set(lostEnds.map(({ promptId }) => promptId)),
  };
}

function sayWhatIsWrong({ ofStore, crashes }: FaultRun, found: ReturnType<typeof findings>): void {
  const { wrong, twice, seen, disorders, lostEnds, statesOf } = found;
  for (const each of wrong.slice(0, 40)) console.log(`  wrong end: ${each}`);
  for (const { order } of twice) console.log(`  executed twice: ${seen(order.n)}`);
  for (const each of disorders.slice(0, 5)) console.log(`  out of order: ${JSON.stringify(each)}`);
  for (const each of ofStore.wrong) console.log(`  ${each}`);
  for (const each of crashes.slice(0, 5)) console.log(`  ${each}`);
  for (const each of lostEnds.slice(0, 5))
    console.log(`  an end was lost: ${JSON.stringify([each, statesOf.get(Number(each.order))])}`);
}
