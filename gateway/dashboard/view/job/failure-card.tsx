import type { PublicJob } from '../../../wire/public-job';
import { complaintsByNode, explanationOf } from '../../model/explanation';
import { wasWaiting } from '../../model/words';

/** Why a job failed, what to do, and the complaints of each node. */
export function FailureCard({ job }: { readonly job: PublicJob }) {
  const { title, why, remedy } = explanationOf(job, wasWaiting(job));
  const nodes = complaintsByNode(job);
  const message = job.failure?.message;
  return (
    <section class="failure" aria-labelledby="failure-title" data-kind={job.failure?.kind}>
      <h2 id="failure-title">{title}</h2>
      <p>{why}</p>
      {nodes.length === 0 && message !== undefined && message !== '' && job.failure?.kind !== 'cancelled' && (
        <p class="said">{message}</p>
      )}
      {nodes.length > 0 && (
        <ul class="complaints">
          {nodes.map(({ nodeId, nodeType, complaints }) => (
            <li key={nodeId} data-node={nodeId}>
              <h3>
                {nodeType ?? 'Node'} <span class="id">node {nodeId}</span>
              </h3>
              <ul>
                {complaints.map(({ input, message: complaint }) => (
                  <li key={`${input ?? ''} ${complaint}`}>
                    {input !== undefined && <code>{input}</code>} {complaint}
                  </li>
                ))}
              </ul>
            </li>
          ))}
        </ul>
      )}
      <p class="remedy">
        <strong>What to do.</strong> {remedy}
      </p>
    </section>
  );
}
