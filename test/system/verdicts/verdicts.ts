import { isSettled, runIdOf } from '../../../streams/job/job-state';
import type { KnownState } from '../watching/watching';
import type { Order } from './orders';
import type { Ending, Execution } from './truth';

/** What was done to an order on purpose. */
export interface Fate {
  readonly order: Order;
  readonly cancelled: boolean;
  /** Whether it was taken out of a queue. */
  readonly deleted: boolean;
  /** How often the ComfyUI that had it was restarted before its end. */
  readonly forgotten: number;
  /** Whether ComfyUI forgot its end at once, while links or the service were down: nobody can know it. */
  readonly unknowable: boolean;
}

/** What is wrong with how a job ended, if anything: against what ComfyUI says and what was done to it. */
export function wrongEnd(
  states: readonly KnownState[],
  fate: Fate,
  endings: ReadonlyMap<string, Ending>,
  executions: readonly Execution[],
): string | undefined {
  const [state, ...others] = states;
  if (state === undefined) return 'no state';
  if (others.length > 0) return `${states.length} states: ${states.map((each) => each.status).join(', ')}`;
  if (!isSettled(state)) return `still ${state.status}`;
  const succeeded = executions.some(({ runId }) => endings.get(runId)?.how === 'success');
  if (state.failure?.kind === 'lost' && fate.unknowable) return undefined;
  if (succeeded && state.status !== 'completed') return `${state.failure?.kind} though it succeeded`;
  const ending = endings.get(runIdOf(state));
  if (state.status === 'completed') return wrongCompletion(state, ending, fate);
  return mayFailSo(state, ending, fate) ? undefined : `failed: ${state.failure?.kind}, ComfyUI says ${ending?.how}`;
}

function wrongCompletion({ outputs = [] }: KnownState, ending: Ending | undefined, fate: Fate): string | undefined {
  // Between our last question and the death of its ComfyUI it may have ended, unknown to us.
  if (ending === undefined && fate.forgotten > 0 && outputs.length > 0) return undefined;
  if (ending?.how !== 'success') return `completed, ComfyUI says ${ending?.how}`;
  return outputs.length === ending.files ? undefined : `${outputs.length} outputs of ${ending.files}`;
}

function mayFailSo({ failure, attempt }: KnownState, ending: Ending | undefined, fate: Fate): boolean {
  const { order, cancelled, deleted, forgotten } = fate;
  const { onLost, maxAttempts = onLost === undefined ? 1 : 3 } = order.request;
  const spent = attempt >= maxAttempts;
  switch (failure?.kind) {
    case 'rejected':
      return order.meant === 'be refused';
    case 'node_error':
      return order.meant === 'break' && ending?.how === 'error';
    case 'out_of_memory':
      return order.meant === 'run out of memory' && ending?.how === 'error' && spent;
    case 'cancelled':
      return cancelled && (ending === undefined || ending.how === 'interrupted');
    case 'lost':
      return (deleted || forgotten > 0) && ending === undefined && (onLost === undefined || spent);
    default:
      return false;
  }
}

/** How often an order ran that it should not have: the same run twice, or again though a run of it had come to an end that stands. */
export function accidents(
  { order, unknowable }: Fate,
  executions: readonly Execution[],
  endings: ReadonlyMap<string, Ending>,
): number {
  const marks = new Map<string, number>();
  for (const { mark } of executions) marks.set(mark, (marks.get(mark) ?? 0) + 1);
  const twice = [...marks.values()].reduce((sum, times) => sum + times - 1, 0);
  const stands = ({ runId }: Execution): boolean => {
    const how = endings.get(runId)?.how;
    return how === 'success' || how === 'interrupted' || (how === 'error' && order.meant !== 'run out of memory');
  };
  // An end that ComfyUI forgot before anybody could ask does not keep a job from being run again.
  if (unknowable) return twice;
  const firstThatStands = executions.findIndex(stands);
  const after = firstThatStands < 0 ? 0 : executions.length - 1 - firstThatStands;
  return Math.max(twice, after);
}
