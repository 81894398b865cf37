import {
  lost,
  missingOutput,
  unreadableAnswer,
  unreadableOutput,
  cancelledBeforeRun,
  cancelledFailure,
} from '../failures';
import { isAtServer, lookedUpAt, notAbsent, type AtServer, type Job, type Row } from '../job';
import type { JobEvent, LookFact } from '../job-event';
import type { Failure, JobOutput, JobState, Via } from '../job-state';
import type { Timing } from '../timing';
import { asAsked, atServer, begun, heardOutputs, nextVia, running, usualMs, withPictures } from './at-server';
import { completed, derived, failed, givenUp, withState } from './derive';

/** Good looks that must find a job nowhere before it is lost (R4), or whose answer cannot be read. */
const LOST_AFTER_LOOKS = 3;

/** The job after a look at its server told of it. Of a run that ComfyUI has not taken yet, only that it has it is news. */
export function afterLook(before: Job, event: JobEvent & LookFact, timing: Timing): Job {
  const { at } = event;
  const job = isAtServer(before) && before.stage.lookOwed ? paid(before) : before;
  if (event.tag === 'found') return found(atServer(job, at), event, timing);
  if (event.tag === 'ended') return ended(job, event);
  if (!isAtServer(job)) return job;
  switch (event.tag) {
    case 'unended':
      return told(lookedUpAt({ ...job, stage: notAbsent(job.stage) }, at + usualMs(job, timing)), at);
    case 'unanswered':
      return lookedUpAt(job, at + timing.pollMs);
    case 'absent':
      return absent(job, event, timing);
    case 'unreadable':
      return unreadable(job, at, timing);
  }
}

/** How an end came that a look tells of: as the news before it, or by polling alone where the socket is away. An open socket did not bring it. */
const endVia = ({ linked, state }: Job): Via => (linked ? state.via : 'polling');

/** The job, of which a look told nothing but that it goes on. */
const told = (job: Job, at: number): Job => withState(job, { ...job.state, via: nextVia(job) }, at);

/** The look that was owed is made. */
const paid = (job: Job<AtServer>): Job => ({ ...job, stage: { ...job.stage, lookOwed: false } });

function found(job: Job<AtServer>, event: JobEvent & { tag: 'found' }, timing: Timing): Job {
  const { targets, at } = event;
  const stage = notAbsent(job.stage);
  const isNews = targets !== undefined && targets.join() !== stage.targets?.join();
  // A job that said it succeeded stays in the queue until its history is written.
  const nextLookAt = at + (stage.tag === 'fetchingOutputs' ? timing.soonMs : usualMs(job, timing));
  const known: Job<AtServer> = {
    ...job,
    // Each look brings a graph of its own: the first stays, and what was counted by it.
    graph: job.graph.size > 0 ? job.graph : (event.graph ?? job.graph),
    stage: { ...stage, nextLookAt, targets: isNews ? targets : stage.targets },
  };
  const state = event.where === 'running' ? running(begun(job.state, at)) : waiting(job.state, event.ahead);
  return derived(known, { ...state, via: nextVia(job) }, at);
}

/** A look from before the start may come after it: what runs does not wait again. */
const waiting = (state: JobState, ahead: number | undefined): JobState =>
  state.status !== 'queued' || ahead === undefined ? state : { ...state, queuePosition: ahead };

/** A job at the end that its server tells of: its graph too, where it was not known, by which outputs find their nodes. */
function ended(job: Job, event: JobEvent & { tag: 'ended' }): Job {
  const { outcome, outputs = [], startedAt, graph, at } = event;
  const state = startedAt === undefined ? job.state : begun(job.state, Math.min(startedAt, at));
  const drawn = {
    ...job,
    state: { ...state, via: endVia(job) },
    graph: job.graph.size === 0 ? (graph ?? job.graph) : job.graph,
  };
  // What a history that was cut or lost some leaves out, frames may have told.
  const made = outputs.length > 0 || !isAtServer(job) ? withPictures(drawn, outputs) : heardOutputs(job);
  return isFailure(outcome)
    ? failed(drawn, asAsked(drawn, outcome), at, made)
    : completed(drawn, withPictures(drawn, outcome), at);
}

const isFailure = (outcome: readonly JobOutput[] | Failure): outcome is Failure => 'kind' in outcome;

/** R4: only three good looks over ten seconds make a job lost; right after our own cancel, one does. */
function absent(job: Job<AtServer>, event: JobEvent & { tag: 'absent' }, timing: Timing): Job {
  const { stage } = job;
  const { at, askedAt = at } = event;
  const succeeded = stage.tag === 'fetchingOutputs';
  const ending = { ...job, state: { ...job.state, via: endVia(job) } };
  const outputs = heardOutputs(job);
  if (stage.cancelAsked && !succeeded) return givenUp(ending, cancelled(job.state), at, { outputs });
  const absences = oneMore(stage.absences, at);
  // What a slow server answers after ten seconds, it may have looked up before them.
  if (isEnough(absences, Math.min(askedAt, at), timing))
    return failed(ending, succeeded ? missingOutput : lost, at, outputs);
  const again = succeeded && absences.count < LOST_AFTER_LOOKS ? timing.soonMs : timing.suspectMs;
  return told({ ...job, stage: { ...stage, absences, nextLookAt: at + again } }, at);
}

/** Something is there, so the job is not absent. After three such answers over ten seconds it ends: asked once more, the server would say the same. */
function unreadable(job: Job<AtServer>, at: number, timing: Timing): Job {
  const { stage } = job;
  const unread = oneMore(stage.unread, at);
  const next = { ...notAbsent(stage), unread, nextLookAt: at + timing.suspectMs };
  if (!isEnough(unread, at, timing)) return { ...job, stage: next };
  const failure = stage.tag === 'fetchingOutputs' ? unreadableOutput : unreadableAnswer;
  return givenUp(job, failure, at, { outputs: heardOutputs(job) });
}

/** A clock that is set back begins the time anew. */
const oneMore = ({ count, since }: Row, at: number): Row => ({
  count: count + 1,
  since: count === 0 ? at : Math.min(since, at),
});

const isEnough = ({ count, since }: Row, at: number, { lostAfterMs }: Timing): boolean =>
  count >= LOST_AFTER_LOOKS && at - since >= lostAfterMs;

const cancelled = ({ status }: JobState): Failure => (status === 'queued' ? cancelledBeforeRun : cancelledFailure);
