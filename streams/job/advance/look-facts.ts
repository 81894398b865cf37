import {
  lost,
  missingOutput,
  unreadableAnswer,
  unreadableOutput,
  cancelledBeforeRun,
  cancelledFailure,
} from '../failures';
import { isAtServer, notAbsent, type AtServer, type Job, type Row } from '../job';
import type { JobEvent, LookFact } from '../job-event';
import type { Failure, JobOutput, JobState, Via } from '../job-state';
import type { Timing } from '../timing';
import { asAsked, atServer, begun, heardOutputs, nextVia, running, withPictures } from './at-server';
import { completed, derived, failed, givenUp, withState } from './derive';
import { lookedUpAt, usualMs } from './next-look';

/** How many good looks in a row must find a job nowhere, or be unreadable, before it fails (R4). */
const LOST_AFTER_LOOKS = 3;

/** The job after a look at it. While its post is not answered yet, only `found` and `ended` count. */
export function afterLook(before: Job, event: JobEvent & LookFact, timing: Timing): Job {
  const { at } = event;
  const job = isAtServer(before) && before.stage.lookOwed ? paid(before) : before;
  if (event.tag === 'found') return found(atServer(job, at), event, timing);
  if (event.tag === 'ended') return ended(job, event);
  if (!isAtServer(job)) return job;
  switch (event.tag) {
    case 'unended':
      return unended(job, at, timing);
    case 'unanswered':
      return lookedUpAt(job, at + timing.pollMs);
    case 'absent':
      return absent(job, event, timing);
    case 'unreadable':
      return unreadable(job, at, timing);
  }
}

/** The `via` of an end that a look found: unchanged while the socket is open, `polling` without one. */
const endVia = ({ linked, state }: Job): Via => (linked ? state.via : 'polling');

/** The job after a look that said only that it goes on. */
const told = (job: Job, at: number): Job => withState(job, { ...job.state, via: nextVia(job) }, at);

/** The job after a look that told only that history has no end of it. */
function unended(job: Job<AtServer>, at: number, timing: Timing): Job {
  const known = audited(job, job.state);
  return told(lookedUpAt(known, at + usualMs(known, timing)), at);
}

/** The job after a look that found its run in this state. */
function audited(job: Job<AtServer>, { status }: JobState): Job<AtServer> {
  const isAsKnown = job.linked && status === job.state.status && !job.stage.cancelAsked;
  return { ...job, stage: { ...notAbsent(job.stage), audits: isAsKnown ? job.stage.audits + 1 : 0 } };
}

/** The job after the look that it owed. */
const paid = (job: Job<AtServer>): Job => ({ ...job, stage: { ...job.stage, lookOwed: false } });

function found(job: Job<AtServer>, event: JobEvent & { tag: 'found' }, timing: Timing): Job {
  const { targets, at } = event;
  const isNews = targets !== undefined && targets.join() !== job.stage.targets?.join();
  const state = event.where === 'running' ? running(begun(job.state, at)) : waiting(job.state, event.ahead);
  const { stage } = audited(job, state);
  // A job that has succeeded stays in ComfyUI's queue until its history is written.
  const againMs = stage.tag === 'fetchingOutputs' ? timing.soonMs : usualMs({ ...job, state, stage }, timing);
  const known: Job<AtServer> = {
    ...job,
    // Each look brings a new graph: the first stays, as the run counts by it.
    graph: job.graph.size > 0 ? job.graph : (event.graph ?? job.graph),
    stage: { ...stage, nextLookAt: at + againMs, targets: isNews ? targets : stage.targets },
  };
  return derived(known, { ...state, via: nextVia(job) }, at);
}

/**
 * The state with its place in the queue. A running job stays running: the look may have been answered before its start.
 */
const waiting = (state: JobState, ahead: number | undefined): JobState =>
  state.status !== 'queued' || ahead === undefined ? state : { ...state, queuePosition: ahead };

/** The job at the end that history tells of; takes the graph from it, if not known, to find the outputs' nodes. */
function ended(job: Job, event: JobEvent & { tag: 'ended' }): Job {
  const { outcome, outputs = [], startedAt, graph, at } = event;
  const state = startedAt === undefined ? job.state : begun(job.state, Math.min(startedAt, at));
  const drawn = {
    ...job,
    state: { ...state, via: endVia(job) },
    graph: job.graph.size === 0 ? (graph ?? job.graph) : job.graph,
  };
  // A history that was cut may lack outputs that frames told of.
  const made = outputs.length > 0 || !isAtServer(job) ? withPictures(drawn, outputs) : heardOutputs(job);
  return isFailure(outcome)
    ? failed(drawn, asAsked(drawn, outcome), at, made)
    : completed(drawn, withPictures(drawn, outcome), at);
}

const isFailure = (outcome: readonly JobOutput[] | Failure): outcome is Failure => 'kind' in outcome;

/** R4: only three good looks over ten seconds make a job lost; after a cancel, one look makes it cancelled. */
function absent(job: Job<AtServer>, event: JobEvent & { tag: 'absent' }, timing: Timing): Job {
  const { stage } = job;
  const { at, askedAt = at } = event;
  const succeeded = stage.tag === 'fetchingOutputs';
  const ending = { ...job, state: { ...job.state, via: endVia(job) } };
  const outputs = heardOutputs(job);
  if (stage.cancelAsked && !succeeded) return givenUp(ending, cancelled(job.state), at, { outputs });
  const absences = oneMore(stage.absences, at);
  // Measured to `askedAt`: a slow server may have looked the job up long before its answer came.
  if (isEnough(absences, Math.min(askedAt, at), timing))
    return failed(ending, succeeded ? missingOutput : lost, at, outputs);
  const again = succeeded && absences.count < LOST_AFTER_LOOKS ? timing.soonMs : timing.suspectMs;
  return told({ ...job, stage: { ...stage, absences, nextLookAt: at + again } }, at);
}

/**
 * The server knows the job, so it is not absent. It fails after three unreadable answers over ten seconds: further ones
 * would say the same.
 */
function unreadable(job: Job<AtServer>, at: number, timing: Timing): Job {
  const { stage } = job;
  const unread = oneMore(stage.unread, at);
  const next = { ...notAbsent(stage), unread, nextLookAt: at + timing.suspectMs };
  if (!isEnough(unread, at, timing)) return { ...job, stage: next };
  const failure = stage.tag === 'fetchingOutputs' ? unreadableOutput : unreadableAnswer;
  return givenUp(job, failure, at, { outputs: heardOutputs(job) });
}

/** One more look in a row. After the clock was set back, the time counts from now. */
const oneMore = ({ count, since }: Row, at: number): Row => ({
  count: count + 1,
  since: count === 0 ? at : Math.min(since, at),
});

const isEnough = ({ count, since }: Row, at: number, { lostAfterMs }: Timing): boolean =>
  count >= LOST_AFTER_LOOKS && at - since >= lostAfterMs;

const cancelled = ({ status }: JobState): Failure => (status === 'queued' ? cancelledBeforeRun : cancelledFailure);
