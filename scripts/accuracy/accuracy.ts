import { isRight } from 'fp-ts/Either';
import { decodeFrame, idText } from '../../sources/codecs/frame.codec';
import type { Recorded } from '../recording/recording.codec';
import { FLAG, VALUES, commandLine, wrong } from '../command-line';
import { elsewhere, type Curve, type Formula } from './formulas-elsewhere';
import { recordingAt, recordingsIn } from '../recording/recording-files';
import { learntFrom, replay, type Replayed } from '../replay';

/** How well a bar told the time of one run. Distances are in points: percent shown less percent of time that was over. */
export interface Accuracy {
  readonly file: string;
  readonly promptId: string;
  readonly seconds: number;
  readonly mean: number;
  readonly max: number;
  readonly stepsBack: number;
  readonly over100: number;
  /** The longest time that nothing moved. */
  readonly stallSeconds: number;
  /** Of the times told from a fifth of the run on, the error relative to what was left; `undefined` where none was told. */
  readonly eta?: Errors;
  /** While it waited, the error of the times to its start, counted down, relative to the time to that. */
  readonly start?: Errors;
  /** The mean distance of formulas in use elsewhere. */
  readonly elsewhere: Readonly<Record<string, number>>;
}

/** Errors of times that were told, each relative to the time that it was: 0.1 is a tenth too much or too little. */
interface Errors {
  readonly all: readonly number[];
  readonly median: number;
  readonly p90: number;
}

function errorsOf(all: readonly number[]): Errors | undefined {
  const sorted = [...all].sort((a, b) => a - b);
  return sorted.length === 0 ? undefined : { all: sorted, median: at(sorted, 0.5), p90: at(sorted, 0.9) };
}

/** Runs shorter than this say nothing: a frame's delay is a tenth of them. */
const SHORTEST_MS = 300;
const ETA_FROM = 0.2;

/** Mean and maximum distance of a curve from the time, weighed by time. */
export function distance(curve: Curve, start: number, end: number): { readonly mean: number; readonly max: number } {
  const total = end - start;
  const share = (t: number): number => (100 * (t - start)) / total;
  let area = 0;
  let max = 0;
  let [from, shown] = [start, 0];
  const until = (t: number): void => {
    const [a, b] = [share(from) - shown, share(t) - shown];
    const mean = a * b >= 0 ? (Math.abs(a) + Math.abs(b)) / 2 : (a * a + b * b) / (2 * Math.abs(b - a));
    area += mean * (t - from);
    max = Math.max(max, Math.abs(a), Math.abs(b));
  };
  for (const [t, percent] of curve) {
    if (t >= end) break;
    if (t > from) until(t);
    [from, shown] = [Math.max(from, t), percent];
  }
  if (end > from) until(end);
  return { mean: area / total, max };
}

/** How well the bar told the time of each run of a recording that ended well. */
export function accuracyOf(file: string, recorded: readonly Recorded[], learn: readonly string[]): readonly Accuracy[] {
  const states = replay(recorded, () => undefined, learntFrom(learn));
  return runsOf(recorded).flatMap(({ promptId, start, end }) => {
    const own = states.filter(({ state, t }) => (state.runId ?? state.promptId) === promptId && t >= start && t < end);
    if (end - start < SHORTEST_MS) return [];
    const curve = own.map(({ t, state }): readonly [number, number] => [t, state.progress]);
    const eta = errorsOf(
      own
        .filter(({ t, state }) => state.etaMs !== undefined && t - start >= ETA_FROM * (end - start))
        .map(({ t, state }) => Math.abs((state.etaMs ?? 0) - (end - t)) / (end - t)),
    );
    const waits = errorsOf(
      startErrors(
        states.filter(({ t, state }) => state.promptId === promptId && state.status === 'queued' && t < start),
        start,
      ),
    );
    const formulas = Object.entries(elsewhere).map(([name, formula]: [string, Formula]) => [
      name,
      distance(formula(recorded, promptId), start, end).mean,
    ]);
    return [
      {
        file,
        promptId,
        seconds: (end - start) / 1000,
        ...distance(curve, start, end),
        stepsBack: curve.filter(([, percent], n) => percent < (curve[n - 1]?.[1] ?? 0)).length,
        over100: curve.filter(([, percent]) => percent > 99.9).length,
        stallSeconds: stallOf(curve, start, end) / 1000,
        ...(eta !== undefined && { eta }),
        ...(waits !== undefined && { start: waits }),
        elsewhere: Object.fromEntries(formulas) as Record<string, number>,
      },
    ];
  });
}

/** Between two states a time to the start is counted down, as whoever watches does: it is judged when it is told, and each second after. */
const COUNTED_MS = 1_000;

function startErrors(states: readonly Replayed[], start: number): readonly number[] {
  return states.flatMap(({ t: told, state: { etaMs } }, n) => {
    const until = Math.min(start, states[n + 1]?.t ?? start);
    if (etaMs === undefined) return [];
    const times = Array.from({ length: Math.ceil((until - told) / COUNTED_MS) }, (_, i) => told + i * COUNTED_MS);
    return times.map((t) => Math.abs(Math.max(0, etaMs - (t - told)) - (start - t)) / (start - t));
  });
}

function stallOf(curve: Curve, start: number, end: number): number {
  let [since, shown, longest] = [start, 0, 0];
  for (const [t, percent] of [...curve, [end, 100] as const]) {
    if (percent === shown) continue;
    longest = Math.max(longest, t - since);
    [since, shown] = [t, percent];
  }
  return longest;
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** The runs that ended well, from `execution_start` to `execution_success`. */
export function runsOf(recorded: readonly Recorded[]) {
  const starts = new Map<string, number>();
  const runs: { promptId: string; start: number; end: number }[] = [];
  for (const line of recorded) {
    if (!('text' in line)) continue;
    const frame = decodeFrame(line.text);
    if (!isRight(frame) || frame.right === undefined) continue;
    const { type, data } = frame.right;
    if (type === 'execution_start') starts.set(idText(data.prompt_id), line.t);
    const start = type === 'execution_success' ? starts.get(idText(data.prompt_id)) : undefined;
    if (type === 'execution_success' && start !== undefined)
      runs.push({ promptId: idText(data.prompt_id), start, end: line.t });
  }
  return runs;
}

const USAGE = 'usage: accuracy [--json] [--learn FILE|DIR]… FILE|DIR…';

/** How well bars told the time; learnt from first is what `--learn` names. */
function main(): number {
  const given = commandLine(USAGE, { json: FLAG, learn: VALUES }, 'others');
  if (given.others.length === 0) wrong(USAGE);
  try {
    const files = recordingsIn(given.others);
    const jobs = files.flatMap((file) => accuracyOf(file, recordingAt(file), given.values('learn')));
    if (jobs.length === 0)
      throw new Error(`no run of over 0.3 s that ended well in what was read: ${files.length} file(s)`);
    if (given.flag('json')) console.log(JSON.stringify({ jobs: jobs.map(shown), all: summaryOf(jobs) }));
    else print(jobs);
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
}

/** A job's figures without each single error. */
const shown = ({ eta, start, ...job }: Accuracy): unknown => ({
  ...job,
  ...(eta !== undefined && { eta: { median: eta.median, p90: eta.p90 } }),
  ...(start !== undefined && { start: { median: start.median, p90: start.p90 } }),
});

function summaryOf(jobs: readonly Accuracy[]) {
  const mean = (of: (job: Accuracy) => number): number => jobs.reduce((sum, job) => sum + of(job), 0) / jobs.length;
  const eta = errorsOf(jobs.flatMap((job) => job.eta?.all ?? []));
  const start = errorsOf(jobs.flatMap((job) => job.start?.all ?? []));
  return {
    jobs: jobs.length,
    mean: mean((job) => job.mean),
    worstMean: Math.max(...jobs.map((job) => job.mean)),
    max: Math.max(...jobs.map((job) => job.max)),
    stepsBack: jobs.reduce((sum, { stepsBack }) => sum + stepsBack, 0),
    over100: jobs.reduce((sum, { over100 }) => sum + over100, 0),
    longestStallSeconds: Math.max(...jobs.map(({ stallSeconds }) => stallSeconds)),
    ...(eta !== undefined && { etaMedian: eta.median, etaP90: eta.p90 }),
    ...(start !== undefined && { startMedian: start.median, startP90: start.p90 }),
    elsewhere: Object.fromEntries(
      Object.keys(elsewhere).map((name) => [name, mean((job) => job.elsewhere[name] ?? 0)]),
    ),
  };
}

function print(jobs: readonly Accuracy[]): void {
  const cell = (value: number | undefined, width = 7): string => (value?.toFixed(1) ?? '–').padStart(width);
  const percent = (value: number | undefined): string => cell(value === undefined ? undefined : value * 100);
  console.log(`${'run'.padEnd(60)} seconds    mean     max    back   stall   eta ½    p90`);
  for (const { file, seconds, mean, max, stepsBack, stallSeconds, eta } of jobs) {
    const name = file.split('/').slice(-2).join('/').slice(-60).padEnd(60);
    console.log(
      `${name} ${cell(seconds)} ${cell(mean)} ${cell(max)} ${cell(stepsBack)} ${cell(stallSeconds)} ${percent(eta?.median)} ${percent(eta?.p90)}`,
    );
  }
  const { elsewhere: others, ...all } = summaryOf(jobs);
  console.log(
    `\n${all.jobs} runs: mean ${all.mean.toFixed(2)}, worst mean ${all.worstMean.toFixed(1)}, maximum ${all.max.toFixed(1)} points;`,
  );
  console.log(
    `${all.stepsBack} steps back, ${all.over100} over 99.9, longest stall ${all.longestStallSeconds.toFixed(1)} s;`,
  );
  const off = (what: string, median: number | undefined, p90: number | undefined): void =>
    console.log(
      median === undefined || p90 === undefined
        ? `${what}: none was told`
        : `${what}: off by ${(median * 100).toFixed(0)} % of it (median), ${(p90 * 100).toFixed(0)} % (p90)`,
    );
  off('time to the end, from a fifth of the run on', all.etaMedian, all.etaP90);
  off('time to the start, while waiting', all.startMedian, all.startP90);
  for (const [name, mean] of Object.entries(others)) console.log(`${name}: mean ${mean.toFixed(2)}`);
}

if (require.main === module) process.exitCode = main();
