import { isSettled, type JobState } from '../../../streams/job/job-state';
import type { Bench } from '../service/bench';
import { isForgotten } from '../verdicts/forgotten';
import { grouped } from '../verdicts/grouped';
import type { Violation } from '../verdicts/order';
import { TYPES, type Order } from '../verdicts/orders';
import { atLeast, atMost, noted, percent, share, type Row } from '../table';
import type { Trouble, troubles } from '../faults/troubles';
import { executionsOf, type Truth } from '../verdicts/truth';
import { accidents, wrongEnd, type Fate } from '../verdicts/verdicts';
import type { Record as Watched } from '../watching/watching';

/** What happened in one run of the acceptance. */
export interface Run {
  readonly bench: Bench;
  readonly plan: readonly Order[];
  readonly states: readonly JobState[];
  readonly truth: Truth;
  readonly trouble: Pick<ReturnType<typeof troubles>, 'happened' | 'restarted' | 'deleted'>;
  readonly records: readonly Watched[];
  readonly cancelled: ReadonlySet<number>;
  /** Orders whose submission the service did not answer: it was killed under it. */
  readonly unanswered: readonly number[];
  readonly longMs: number;
  readonly violations: readonly Violation[];
  readonly contradictions: readonly string[];
  readonly seconds: number;
}

/** Polling each job every 2 s is what the requests are compared with. */
const POLL_MS = 2_000;

/** The success table. */
export function results(run: Run): readonly Row[] {
  const found = findings(run);
  const { taken, fates, wrong, twice, watched, overSocket, stricken, long, visible, transient } = found;
  const { bench, plan, states, truth, trouble } = run;
  const requests = bench.servers.reduce((sum, { comfy }) => sum + truth.requests(comfy), 0);
  const lifetimes = states.reduce((sum, state) => sum + ((state.finishedAt ?? Date.now()) - state.startedAt), 0);
  const isRight = (n: number): boolean => !wrong.has(n);
  const kinds = grouped(trouble.happened, ({ what }) => what);
  if (process.env['TIMELINE'] !== undefined) timeline(run, [...wrong.keys()]);
  sayWhatIsWrong(run, found);
  return [
    atLeast('jobs', 500, taken.length),
    noted('  of each type', TYPES.map((type) => taken.filter(({ request }) => request.type === type).length).join(' ')),
    noted('  troubles', [...kinds].map(([what, some]) => `${some.length} ${what}`).join(', ')),
    noted('  seconds', run.seconds.toFixed(0)),
    share('watched over WebSocket (at the end, or most of its life)', 100, overSocket.length, watched.length),
    share('recovered after kill -9 and SIGTERM', 100, stricken.filter(isRight).length, stricken.length),
    share(`runs over ${run.longMs / 1000} s with visible progress`, 100, visible.length, long.length),
    share('recovered from transient errors', 99, transient.filter(isRight).length, transient.length),
    atMost('requests, of polling each job every 2 s', 2, percent(requests, lifetimes / POLL_MS), ' %'),
    noted('  that is', `${requests} of ${Math.round(lifetimes / POLL_MS)}`),
    ...bench.servers.map(({ name, comfy }) => noted(`  ${name}`, paths(comfy.requests))),
    atMost('executed twice by accident', 0, twice.length),
    atMost('wrong ends', 0, wrong.size),
    noted(
      '  forgotten by ComfyUI before anybody could ask',
      `${[...fates.values()].filter(({ unknowable }) => unknowable).length}`,
    ),
    noted('  not answered and not taken', `${plan.length - taken.length}`),
    atMost('watchers that saw states out of order', 0, run.violations.length),
    atMost('jobs that ended differently for two watchers', 0, run.contradictions.length),
  ];
}

/** What a run's orders, watchers and servers show when they are compared. */
function findings(run: Run) {
  const { bench, plan, states, truth, trouble, records, unanswered } = run;
  const statesOf = grouped(states, (state) => Number(state.metadata?.['order']));
  const recordsOf = grouped(records, (record) => Number(record.order));
  const executions = grouped(executionsOf(bench.servers), ({ order }) => order);
  // What a killed service never took nor stored is the caller's to submit again.
  const taken = plan.filter(({ n }) => !unanswered.includes(n) || statesOf.has(n) || executions.has(n));
  const fates = fatesOf(run, taken, executions);
  const wrong = new Map(
    [...fates].flatMap(([n, fate]) => {
      const why = wrongEnd(statesOf.get(n) ?? [], fate, truth.endings, executions.get(n) ?? []);
      return why === undefined ? [] : [[n, why] as const];
    }),
  );
  const watched = taken.filter(({ meant }) => meant !== 'be refused').map(({ n }) => n);
  // Whose submitter was killed before it answered ran all the same, watched by nobody.
  const long = taken.filter(
    ({ n, long }) => long && !unanswered.includes(n) && statesOf.get(n)?.[0]?.status === 'completed',
  );
  return {
    statesOf,
    recordsOf,
    executions,
    taken,
    fates,
    wrong,
    watched,
    long,
    twice: [...fates].filter(([n, fate]) => accidents(fate, executions.get(n) ?? [], truth.endings) > 0),
    overSocket: watched.filter((n) => isOverSocket(statesOf.get(n)?.[0], recordsOf.get(n) ?? [])),
    stricken: struckBy(trouble.happened, ['kill -9', 'SIGTERM']).filter((n) => fates.has(n)),
    visible: long.filter(({ n }) => values(recordsOf.get(n) ?? []) >= 3),
    transient: troubledBy(trouble.happened, states).filter((n) => fates.has(n)),
  };
}

/** What happened to each order that was taken. */
function fatesOf(
  { trouble, cancelled, truth }: Run,
  taken: readonly Order[],
  executions: ReadonlyMap<number, readonly { readonly runId: string }[]>,
): ReadonlyMap<number, Fate> {
  const restarts = trouble.happened.filter(({ what }) => what === 'ComfyUI restart');
  const fateOf = (order: Order): Fate => ({
    order,
    cancelled: cancelled.has(order.n),
    deleted: trouble.deleted.has(order.n),
    forgotten: restarts.filter(({ struck }) => struck.includes(order.n)).length,
    unknowable: (executions.get(order.n) ?? []).some(({ runId }) =>
      isForgotten(truth.endings.get(runId), trouble.happened),
    ),
  });
  return new Map(taken.map((order) => [order.n, fateOf(order)]));
}

function sayWhatIsWrong({ unanswered, violations, truth }: Run, found: ReturnType<typeof findings>): void {
  const { wrong, twice, long, visible, watched, overSocket, statesOf, recordsOf, executions } = found;
  for (const [n, why] of wrong)
    console.log(
      `  wrong end of order ${n}: ${why}, ${JSON.stringify([statesOf.get(n)?.map(brief), executions.get(n), unanswered.includes(n)])}`,
    );
  for (const [n, { order }] of twice) {
    const runs = executions.get(n)?.map((run) => ({ ...run, ending: truth.endings.get(run.runId) }));
    console.log(`  executed twice: order ${n}, ${JSON.stringify([order.meant, runs, statesOf.get(n)])}`);
  }
  for (const { n } of long.filter((order) => !visible.includes(order)))
    console.log(`  no visible progress: order ${n}, ${JSON.stringify(recordsOf.get(n))}`);
  for (const n of watched.filter((each) => !overSocket.includes(each)))
    console.log(`  not over WebSocket: order ${n}, ${JSON.stringify(statesOf.get(n)?.map(brief))}`);
  for (const each of violations.slice(0, 5)) console.log(`  out of order: ${JSON.stringify(each)}`);
}

/** All that happened, and what ComfyUI and the service say of these orders. */
function timeline({ trouble, truth, states, bench, seconds }: Run, wrong: readonly number[]): void {
  const start = Math.min(...trouble.happened.map(({ from }) => from));
  const at = (ms: number): string => ((ms - start) / 1000).toFixed(1);
  const name = (url?: string): string => bench.servers.find((server) => server.url === url)?.name ?? '';
  for (const { what, server, from, to } of trouble.happened)
    console.log(`    ${at(from)}–${at(to)} ${what} ${name(server)}`);
  for (const ending of [...truth.endings.values()].filter(({ order }) => wrong.includes(order)))
    console.log(`    ${at(ending.at)} order ${ending.order} ${ending.how}`);
  for (const state of states.filter(({ metadata }) => wrong.includes(Number(metadata?.['order']))))
    console.log(
      `    ${at(state.finishedAt ?? 0)} order ${String(state.metadata?.['order'])} ${state.status} ${name(state.serverUrl)}`,
    );
  console.log(`    ${seconds} s`);
}

/** How often each route was asked, ids left out. */
function paths(requests: readonly { readonly method: string; readonly path: string }[]): string {
  const routes = requests.map(({ method, path }) => `${method} ${path.replace(/[0-9a-f-]{36}/, ':id')}`);
  return [...grouped(routes, (route) => route)].map(([route, some]) => `${some.length} ${route}`).join(', ');
}

const brief = ({ promptId, status, failure, attempt, via, serverUrl }: JobState) => ({
  promptId,
  status,
  failure: failure?.kind,
  attempt,
  via,
  serverUrl,
});

/** At the end, or for more than half of the time from its first state that anybody saw to the last. */
function isOverSocket(state: JobState | undefined, records: readonly Watched[]): boolean {
  if (state?.via === 'websocket') return true;
  const sights = records.flatMap((record) => record.sights).sort((a, b) => a.at - b.at);
  const spans = sights.slice(1).map((sight, n) => ({ via: sights[n]!.via, ms: sight.at - sights[n]!.at }));
  const sum = (some: typeof spans): number => some.reduce((total, { ms }) => total + ms, 0);
  return sum(spans.filter(({ via }) => via === 'websocket')) * 2 > sum(spans);
}

/** Distinct percentages that watchers saw of a job on its way. */
function values(records: readonly Watched[]): number {
  const seen = records.flatMap((record) => record.sights.map(({ progress }) => progress));
  return new Set(seen.filter((progress) => progress > 0 && progress < 100)).size;
}

const struckBy = (happened: readonly Trouble[], kinds: readonly string[]): number[] =>
  happened.filter(({ what }) => kinds.includes(what)).flatMap(({ struck }) => struck);

/** The jobs that were at a server, or on their way to it, while it had a passing trouble; once for each. */
const troubledBy = (happened: readonly Trouble[], states: readonly JobState[]): number[] =>
  happened
    .filter(({ what, server }) => server !== undefined && !['ComfyUI restart', 'deleted from the queue'].includes(what))
    .flatMap(({ server, from, to }) =>
      states
        .filter((state) => state.serverUrl === server && state.startedAt <= to)
        .filter((state) => !isSettled(state) || (state.finishedAt ?? 0) >= from)
        .map((state) => Number(state.metadata?.['order'])),
    );
