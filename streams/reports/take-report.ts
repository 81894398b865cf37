import { bounds } from '../bounds';
import { completed, givenUp, withShown, withState } from '../job/advance/derive';
import { cancelledBeforeRun, cancelledFailure } from '../job/failures';
import type { Job, ReportingItself } from '../job/job';
import type { JobEvent } from '../job/job-event';
import type { CurrentNode, Failure, FileOutput, JobState } from '../job/job-state';
import { shownAt, standing } from '../job/progress/bar';
import type { RunClock } from '../job/progress/run-clock';
import { executing, stepped } from '../job/progress/run-events';
import { redact } from '../redact';
import { REPORTED_NODE, type JobReport, type Metrics, type ReportedFailure, type Reporting } from './job-report';
import { resumedRun } from './resumed-run';

type ReportedJob = Job<ReportingItself>;

/** A reported job after one more event; events of ComfyUI change nothing. */
export function whileReporting(job: ReportedJob, event: JobEvent): Job {
  const { at } = event;
  const { state } = job;
  switch (event.tag) {
    case 'reported':
      return state.reported === undefined ? job : takeReport(job, event.report, state.reported, at);
    case 'ticked':
      return state.status === 'processing' ? drawn(job, runOf(job, state, at), state, at) : job;
    case 'refused':
      return givenUp(job, event.failure, at);
    case 'cancelAsked':
      // No server is asked: the program learns of the cancel by the answer to its next report.
      return givenUp(job, state.status === 'queued' ? cancelledBeforeRun : cancelledFailure, at);
    default:
      return job;
  }
}

/** A step reported within 1 s after the first report was made before that report: how long it took is not known. */
const MADE_BEFORE_MS = 1_000;

/**
 * The job with its bar drawn. The bar stands until a pace is known: what comes before the first step may take any time.
 */
function drawn(job: ReportedJob, run: RunClock, state: JobState, at: number): Job {
  const shown = shownAt(run, at);
  if (shown.isSure || isPaced(run)) return withShown(job, { ...job.stage, run: shown.run }, shown, state, at);
  const stands = standing(run, shown);
  if (run.hasBegun) return withShown(job, { ...job.stage, run: stands.run }, stands, state, at);
  return withState({ ...job, stage: { ...job.stage, run: stands.run } }, { ...state, phase: 'loading' }, at);
}

function isPaced({ nodes }: RunClock): boolean {
  const { value, paceMs, firstAt, startedAt } = nodes.get(REPORTED_NODE) ?? noSteps;
  return paceMs > 0 || (value > 0 && firstAt - startedAt >= MADE_BEFORE_MS);
}
const noSteps = { value: 0, paceMs: 0, firstAt: 0, startedAt: 0 };

/** The job after a report; unchanged if that is no newer than the last. */
function takeReport(job: ReportedJob, report: JobReport, before: Reporting, at: number): Job {
  if (report.count <= before.count) return job;
  const { state, run } = progressed(withNews(job, report, before, at), report, at);
  const told: ReportedJob = { ...job, stage: { ...job.stage, run } };
  if (report.failure !== undefined) return givenUp({ ...told, state }, failureOf(report.failure), at);
  if (report.outputs !== undefined) return completed({ ...told, state }, report.outputs.map(outputOf), at);
  return drawn(told, run, { ...state, status: 'processing', via: 'report' }, at);
}

/** The job with all of a report but its steps. */
function withNews(job: ReportedJob, report: JobReport, before: Reporting, at: number): ReportedJob {
  const { count, stage, message, metrics } = report;
  const state: JobState = {
    ...job.state,
    executionStartedAt: job.state.executionStartedAt ?? at,
    reported: { ...before, count, heardAt: at },
    ...(stage !== undefined && { stage: redact(stage) }),
    ...(message !== undefined && { message: redact(message) }),
    ...(metrics !== undefined && { metrics: newest(job.state.metrics, metrics) }),
  };
  return { ...job, state };
}

/** The newest number of each name; past 20 names (`bounds.metrics`) the first ones that this report lacks are forgotten. */
function newest(before: Metrics = {}, now: Metrics): Metrics {
  const all = Object.entries({ ...before, ...now });
  let tooMany = all.length - bounds.metrics;
  return Object.fromEntries(all.filter(([name]) => Object.hasOwn(now, name) || tooMany-- <= 0));
}

const runOf = ({ stage, graph, durations }: ReportedJob, state: JobState, at: number): RunClock =>
  stage.run ?? resumedRun(state, graph, durations, at);

/** The state and the run after the report's steps. */
function progressed(
  job: ReportedJob,
  { value, max }: JobReport,
  at: number,
): { readonly state: JobState; readonly run: RunClock } {
  const { state } = job;
  const { reported } = state;
  const run = executing(runOf(job, state, at), REPORTED_NODE, state.executionStartedAt ?? at);
  if (value === undefined || max === undefined || reported === undefined) return { state, run };
  // The program went back to a checkpoint, or changed its number of steps: the pace is measured from here, and the
  // run's duration is not learned (`isLate`).
  if (isAnew(state.node, value, max)) {
    const node: CurrentNode = { id: REPORTED_NODE, type: state.type, value, max };
    const anew: JobState = { ...state, node, reported: { ...reported, first: { value, at } } };
    return { state: anew, run: { ...resumedRun(anew, job.graph, job.durations, at), isLate: true } };
  }
  const first = reported.first ?? (value > 0 ? { value, at } : undefined);
  return {
    state: { ...state, ...(first !== undefined && { reported: { ...reported, first } }) },
    run: stepped(run, REPORTED_NODE, value, max, at),
  };
}

const isAnew = (node: CurrentNode | undefined, value: number, max: number): boolean =>
  node !== undefined && node.value > 0 && (value < node.value || max !== node.max);

const failureOf = ({ kind = 'node_error', message, retryable = false }: ReportedFailure): Failure => ({
  kind,
  message: redact(message),
  retryable,
});

/** The output for a reported name or URL: its file name, and the URL if it is one. */
function outputOf(text: string): FileOutput {
  const isUrl = /^https?:\/\/./i.test(text);
  const path = isUrl ? text.replace(/[?#].*$/s, '') : text;
  const filename = path.split(/[\\/]+/).findLast((name) => name !== '') ?? text;
  const named = { nodeId: REPORTED_NODE, kind: 'files', filename: filename.slice(0, bounds.filenameLength) };
  return { ...named, subfolder: '', type: 'reported', ...(isUrl && { url: text }) };
}
