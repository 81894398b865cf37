import { useEffect, useRef } from 'preact/hooks';
import { isSettled } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import { lastList } from '../../live/location';
import { hashOf } from '../../model/place';
import { clockTime, detailWords, duration, percent, stepWords, typeWords } from '../../model/words';
import { Bar } from '../parts/bar';
import { FailureCard } from './failure-card';
import { JobActions } from './job-actions';
import { JobFacts } from './job-facts';
import { MetricsOverTime } from './metrics-over-time';
import { NodesOverTime } from './nodes-over-time';
import { Outputs } from './outputs';
import { LivePreview } from './live-preview';
import { useSession } from '../parts/session-context';
import { Status } from '../parts/status';
import { TimeWords } from '../parts/time-words';
import { now } from '../../live/now';
import { useSilence } from '../parts/silence';
import { useWatchedJob } from './watched-job';

/** One job: its progress, its nodes over time, and its outputs or why it failed. */
export function JobPage({ promptId }: { readonly promptId: string }) {
  const { job, trouble } = useWatchedJob(promptId);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    scrollTo({ top: 0, behavior: 'instant' });
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <article class="job-page" data-job={promptId}>
      <p class="back">
        <a href={hashOf(lastList())}>‹ All jobs</a>
      </p>
      <h1 tabIndex={-1} ref={heading}>
        {job ? typeWords(job.type) : 'Job'}
        {job?.characterId !== undefined && <span class="soft"> · {job.characterId}</span>}
      </h1>
      {trouble !== undefined && (!job || !isSettled(job)) && (
        <p class="callout" role="alert">
          {trouble}
        </p>
      )}
      {!job && trouble === undefined && <p class="soft">Looking for it …</p>}
      {job && <Whole job={job} />}
    </article>
  );
}

/** Says that no news of the job can come, so that a page that stands still is not taken for a job that does. */
function Silence({ job }: { readonly job: PublicJob }) {
  const { cache, outages } = useSession();
  // While the gateway itself does not answer, `OutageBanner` says so.
  const heard = outages.gatewaySince.value === undefined;
  const silence = useSilence(job);
  const skewMs = cache.clockSkewMs();
  return (
    <div role="status" aria-live="polite">
      {heard && silence && (
        <p class="callout outage">
          <strong>No news since {clockTime(silence.since + skewMs)}</strong>
          <span aria-hidden="true"> ({duration(now.value - skewMs - silence.since)})</span>: {silence.why}. What you see
          is how the job was then; it may have gone on, and the page goes on by itself.
        </p>
      )}
    </div>
  );
}

function Whole({ job }: { readonly job: PublicJob }) {
  return (
    <>
      <div class="now">
        <p class="is">
          <Status job={job} />
          <span class="doing">{detailWords(job)}</span>
          <span class="steps">{stepWords(job)}</span>
        </p>
        <p class="progress-words">
          <strong>{percent(job.progress)}</strong>
          <span class="time">
            <TimeWords job={job} />
          </span>
        </p>
        <Bar job={job} label="Progress" />
        {job.message !== undefined && !isSettled(job) && <p class="message">{job.message}</p>}
        {/* The gateway cannot start again a job that it did not start. */}
        {!(job.reported && isSettled(job)) && <JobActions job={job} />}
      </div>
      <Silence job={job} />
      {job.status === 'failed' && <FailureCard job={job} />}
      {job.status !== 'failed' && job.nodeErrors && <PartlyRefused job={job} />}
      <div class="columns">
        {job.status === 'processing' && !job.reported && <LivePreview job={job} />}
        <div class="main">
          {job.outputs && job.outputs.length > 0 && <Outputs job={job} />}
          {job.metrics && <MetricsOverTime key={job.promptId} job={job} />}
          {!job.reported && <NodesOverTime job={job} />}
        </div>
        <JobFacts job={job} />
      </div>
    </>
  );
}

function PartlyRefused({ job }: { readonly job: PublicJob }) {
  return (
    <section class="callout partial">
      <h2>{isSettled(job) ? 'Ran in part' : 'Runs in part'}</h2>
      <p>ComfyUI refused some outputs of the workflow, and {isSettled(job) ? 'ran' : 'runs'} the others.</p>
      <ul>
        {job.nodeErrors?.map(({ nodeId, nodeType, input, message }) => (
          <li key={`${nodeId}-${input ?? ''}-${message}`}>
            <strong>{nodeType ?? 'Node'}</strong> <span class="id">#{nodeId}</span>
            {input !== undefined && <code>{input}</code>}: {message}
          </li>
        ))}
      </ul>
    </section>
  );
}
