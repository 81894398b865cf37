import { isSettled } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import { now } from '../../live/now';
import type { NodeHistory, Turn } from '../../../wire/node-history';
import { fineDuration, wasWaiting } from '../../model/words';
import { useSession } from '../parts/session-context';
import { useSilence } from '../parts/silence';

/** A job's nodes in their order, each with its place in the job's time. */
export function NodesOverTime({ job }: { readonly job: PublicJob }) {
  const { cache } = useSession();
  const history = cache.historyOf(job.promptId);
  const silence = useSilence(job);
  const until =
    job.finishedAt ?? (isSettled(job) ? job.updatedAt : (silence?.since ?? now.value - cache.clockSkewMs()));
  const turns = history?.turns ?? [];
  return (
    <section class="nodes" aria-labelledby="nodes-title">
      <h2 id="nodes-title">Nodes over time</h2>
      <p class="soft">{wordsFor(job, history)}</p>
      {turns.length > 0 && (
        <Table turns={turns} span={spanOf(turns, job.executionStartedAt ?? history?.began, until)} />
      )}
    </section>
  );
}

interface Span {
  readonly from: number;
  readonly to: number;
}

const spanOf = (turns: readonly Turn[], began: number | undefined, until: number): Span => {
  const from = Math.min(began ?? Number.POSITIVE_INFINITY, turns[0]?.from ?? until);
  const last = turns.at(-1);
  return { from, to: Math.max(until, last?.to ?? last?.from ?? until, from + 1) };
};

/** Says how complete the history is. */
function wordsFor(job: PublicJob, history: NodeHistory | undefined): string {
  if (job.status === 'queued') return 'It waits; nodes show up here as they run.';
  if (job.failure?.kind === 'rejected') return 'No node ran.';
  if (job.failure?.kind === 'cancelled' && wasWaiting(job)) return 'Cancelled while waiting; no node ran.';
  if (history === undefined || (history.turns.length === 0 && isSettled(job))) {
    return history?.missed.before === false && job.status === 'completed'
      ? 'No node ran: ComfyUI had everything in its cache.'
      : 'Nobody saw its nodes: they are not stored, and the service knows those of jobs since it started.';
  }
  const { missed, dropped } = history;
  const began = job.executionStartedAt ?? history.began;
  const words = [
    job.attempt > 1 ? `Attempt ${job.attempt}.` : '',
    began === undefined || job.attempt > 1 ? '' : `Waited ${fineDuration(began - job.startedAt)} before it ran.`,
    missed.before ? 'It ran already when it was first watched: earlier nodes are not known.' : '',
    missed.between ? 'For a while nobody watched: nodes that ran meanwhile may be missing.' : '',
    dropped === 0 ? '' : `The first ${dropped} are left out.`,
  ];
  return words.filter((sentence) => sentence !== '').join(' ');
}

function Table({ turns, span }: { readonly turns: readonly Turn[]; readonly span: Span }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Node</th>
          <th scope="col" class="num start">
            Start
          </th>
          <th scope="col" class="num">
            Took
          </th>
          <th scope="col" class="num steps">
            Steps
          </th>
          <td class="track" />
        </tr>
      </thead>
      <tbody>
        {turns.map((turn, n) => (
          <Row key={`${turn.from} ${n}`} turn={turn} span={span} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ turn, span }: { readonly turn: Turn; readonly span: Span }) {
  const { id, type, title, from, to, value, max, failed } = turn;
  const whole = span.to - span.from;
  const end = to ?? span.to;
  const state = failed ? 'failed' : to === undefined ? 'running' : 'done';
  return (
    <tr data-node={id} data-state={state}>
      <th scope="row">
        {title ?? type} <span class="id">#{id}</span>
        {title !== undefined && title !== type && <small>{type}</small>}
        {failed && <small class="failed">failed here</small>}
      </th>
      <td class="num start">+{fineDuration(from - span.from)}</td>
      <td class="num">{fineDuration(end - from)}</td>
      <td class="num steps">{max > 1 ? `${Math.floor(value)} / ${max}` : ''}</td>
      <td class="track" aria-hidden="true">
        <div
          style={{
            left: `${((from - span.from) / whole) * 100}%`,
            width: `${Math.max(0, (end - from) / whole) * 100}%`,
          }}
        />
      </td>
    </tr>
  );
}
