import type { FailureKind, NodeError } from '../../../streams/job/job-state';
import type { PublicJob } from '../../wire/public-job';

/** Why a job failed, in plain words, and what to do about it. */
export interface Explanation {
  readonly title: string;
  readonly why: string;
  readonly remedy: string;
}

const KINDS: Readonly<Record<FailureKind, Explanation>> = {
  rejected: {
    title: 'Refused by ComfyUI',
    why: 'ComfyUI checked the workflow and did not start it.',
    remedy: 'Correct the inputs named above in ComfyUI, export the workflow again (API format) and submit that.',
  },
  node_error: {
    title: 'A node failed',
    why: 'The node below stopped with an error while it ran.',
    remedy:
      'Its message says what it could not do. Check its inputs and its models; the same workflow will most likely fail again.',
  },
  out_of_memory: {
    title: 'Out of memory',
    why: 'The server’s graphics memory did not suffice for the node below.',
    remedy:
      'Make it smaller: fewer pixels, a smaller batch, a lighter model. Or run it again when the server has less to do.',
  },
  interrupted: {
    title: 'Interrupted',
    why: 'Somebody stopped it at ComfyUI itself, not from here.',
    remedy: 'Nothing is wrong with the workflow: run it again.',
  },
  cancelled: {
    title: 'Cancelled',
    why: 'It was cancelled before it was done.',
    remedy: 'Run it again if that was a mistake.',
  },
  lost: {
    title: 'Lost',
    why: 'The server forgot the job: three looks found it neither running, nor waiting, nor finished. ComfyUI was probably restarted.',
    remedy: 'Run it again.',
  },
  unreachable: {
    title: 'Server out of reach',
    why: 'The server could not be reached to run it.',
    remedy: 'See whether the server is up, then run it again.',
  },
  missing_output: {
    title: 'Output missing',
    why: 'ComfyUI reported success, and named no file that the job made.',
    remedy: 'See whether the workflow ends in a node that saves something. If it does, run it again.',
  },
  timed_out: {
    title: 'Timed out',
    why: 'It took longer than it may.',
    remedy: 'See whether the server is stuck; if not, give the job more time or less to do.',
  },
  internal_error: {
    title: 'The service failed',
    why: 'The service itself went wrong while it followed this job; other jobs are not touched.',
    remedy: 'Tell whoever runs the service: its log has the details. The workflow may be fine.',
  },
};

/** A refusal that names no node: a proxy before ComfyUI may have refused. */
const REFUSED: Explanation = {
  title: 'Refused',
  why: 'ComfyUI, or a proxy before it, did not take the workflow.',
  remedy:
    'Its message says why. Ask whoever runs the server where it speaks of access or size; else correct the workflow.',
};

const CANCELLED_WAITING: Explanation = {
  title: 'Cancelled while waiting',
  why: 'It was cancelled before its turn came; no node ran.',
  remedy: 'Run it again if that was a mistake.',
};

/** Failures of jobs that report themselves. */
const REPORTED: Partial<Readonly<Record<FailureKind, Explanation>>> = {
  node_error: {
    title: 'The program failed',
    why: 'The program that ran it stopped with an error.',
    remedy: 'Its message says what it could not do. Start it again once that is mended.',
  },
  out_of_memory: {
    title: 'Out of memory',
    why: 'The memory did not suffice for the program that ran it.',
    remedy: 'Make it smaller: a smaller batch, a lower resolution, a lighter model. Then start it again.',
  },
  interrupted: {
    title: 'Interrupted',
    why: 'Somebody stopped the program where it ran, not from here.',
    remedy: 'Nothing is wrong with it: start it again.',
  },
  missing_output: {
    title: 'Output missing',
    why: 'The program made no file.',
    remedy: 'See what it says where it ran, then start it again.',
  },
  timed_out: {
    title: 'Timed out',
    why: 'The program took longer than it may, or no longer told how it goes.',
    remedy: 'See whether it still runs, and stop it; then start it again, with more time if it needs that.',
  },
};

/** Explains a failed job. A kind that this page does not know is shown by its name. */
export function explanationOf(
  { failure, reported, nodeErrors = [] }: Pick<PublicJob, 'failure' | 'reported' | 'nodeErrors'>,
  wasWaiting = false,
): Explanation {
  if (failure?.kind === 'cancelled' && wasWaiting) return CANCELLED_WAITING;
  if (failure?.kind === 'rejected' && failure.nodeId === undefined && nodeErrors.length === 0) return REFUSED;
  const known: Partial<typeof KINDS> = reported ? { ...KINDS, ...REPORTED } : KINDS;
  return (
    (failure && Object.hasOwn(known, failure.kind) ? known[failure.kind] : undefined) ?? {
      title: 'Failed',
      why: `It failed${failure ? ` (${failure.kind})` : ''}.`,
      remedy: failure?.retryable === false ? 'Change the workflow before it is run again.' : 'Run it again.',
    }
  );
}

/** The complaints about one node. */
export interface NodeComplaints {
  readonly nodeId: string;
  readonly nodeType?: string;
  readonly complaints: readonly { readonly input?: string; readonly message: string }[];
}

/** What went wrong, node by node: the one that failed first, then those that validation refused. */
export function complaintsByNode({
  failure,
  nodeErrors = [],
}: Pick<PublicJob, 'failure' | 'nodeErrors'>): readonly NodeComplaints[] {
  const named = new Map<string, NodeError[]>();
  // The failure of a refused workflow only sums up the node errors.
  if (failure?.nodeId !== undefined && !nodeErrors.some(({ nodeId }) => nodeId === failure.nodeId)) {
    const { nodeId, nodeType, message } = failure;
    named.set(nodeId, [{ nodeId, ...(nodeType !== undefined && { nodeType }), message }]);
  }
  for (const error of nodeErrors) named.set(error.nodeId, [...(named.get(error.nodeId) ?? []), error]);
  return [...named].map(([nodeId, errors]) => {
    const nodeType = errors.find((error) => error.nodeType !== undefined)?.nodeType;
    return {
      nodeId,
      ...(nodeType !== undefined && { nodeType }),
      complaints: errors.map(({ input, message }) => ({ ...(input !== undefined && { input }), message })),
    };
  });
}
