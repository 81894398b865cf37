import { cancelledFailure, lost } from '../failures';
import { isAtServer, isCancelAsked, type Job, type ReportingItself } from '../job';
import type { JobEvent, OwnFact } from '../job-event';
import type { Timing } from '../timing';
import { derived, failed, givenUp, runsAgain, withState } from './derive';
import { afterFrame } from './frame-facts';
import { whileReporting } from '../../reports/take-report';
import { afterLook } from './look-facts';
import { atServer, heardOutputs, nextVia } from './at-server';
import { lookedUpBy, usualMs } from './next-look';

/** The job after one more event. Idempotent; never throws; a settled job never changes (R1). */
export function advance(job: Job, event: JobEvent, timing: Timing): Job {
  switch (job.stage.tag) {
    case 'settled':
      return job;
    case 'betweenRuns':
      return betweenRuns(job, event);
    case 'reporting':
      return whileReporting(job as Job<ReportingItself>, event);
    case 'posting':
    case 'watched':
    case 'fetchingOutputs':
      return inRun(job, event, timing);
  }
}

/** Between two runs, news of the last one is ignored. */
function betweenRuns(job: Job, event: JobEvent): Job {
  switch (event.tag) {
    case 'posting': {
      const { runId, clientId, serverUrl, at } = event;
      const posting: Job = { ...job, stage: { tag: 'posting', cancelAsked: false } };
      return withState(posting, { ...job.state, runId, clientId, serverUrl }, at);
    }
    case 'refused':
      return givenUp(job, event.failure, event.at, { nodeErrors: event.nodeErrors });
    case 'cancelAsked':
      return givenUp(job, cancelledFailure, event.at);
    default:
      return job;
  }
}

function inRun(job: Job, event: JobEvent, timing: Timing): Job {
  switch (event.tag) {
    case 'started':
    case 'cached':
    case 'executing':
    case 'stepped':
    case 'snapshot':
    case 'executed':
    case 'pictured':
    case 'succeeded':
    case 'broke':
      return afterFrame(atServer(job, event.at), event, timing);
    case 'found':
    case 'ended':
    case 'unended':
    case 'unanswered':
    case 'unreadable':
    case 'absent':
      return afterLook(job, event, timing);
    case 'accepted':
    case 'posting':
    case 'refused':
    case 'cancelAsked':
    case 'ticked':
    case 'abandoned':
    case 'reported':
      return afterOwn(job, event, timing);
  }
}

/** The job after an act of this instance. */
function afterOwn(job: Job, event: JobEvent & OwnFact, timing: Timing): Job {
  const { at } = event;
  switch (event.tag) {
    case 'accepted': {
      const taken = atServer(job, Number.POSITIVE_INFINITY);
      const soon = taken.stage.cancelAsked ? timing.soonMs : usualMs(job, timing);
      const { nodeErrors = job.state.nodeErrors } = event;
      return derived(
        lookedUpBy(taken, at + soon),
        { ...job.state, via: nextVia(job), ...(nodeErrors && { nodeErrors }) },
        at,
      );
    }
    // `posting` belongs between two runs, `reported` to reported jobs: ignored here.
    case 'posting':
    case 'reported':
      return job;
    case 'refused': {
      // A job past its deadline, say: the outputs that it had made by then stay.
      const outputs = isAtServer(job) ? heardOutputs(job) : [];
      return givenUp(job, event.failure, at, { nodeErrors: event.nodeErrors, outputs });
    }
    case 'cancelAsked': {
      // Kept in its state, so that an instance that takes the job up goes on cancelling it.
      const asked = withState(job, { ...job.state, cancelAskedAt: job.state.cancelAskedAt ?? at }, at);
      if (isAtServer(asked))
        return lookedUpBy({ ...asked, stage: { ...asked.stage, cancelAsked: true } }, at + timing.soonMs);
      // ComfyUI has not taken it yet, so there is nothing to look up.
      return { ...asked, stage: { tag: 'posting', cancelAsked: true } };
    }
    case 'ticked':
      return isAtServer(job) ? derived(job, job.state, at) : job;
    case 'abandoned':
      return !isCancelAsked(job) && runsAgain(job.state, lost) ? failed(job, lost, at) : job;
  }
}
