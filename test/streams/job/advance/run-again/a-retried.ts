import { jobBoard, type BoardEvent, type Change } from '../../../../../streams/board/board';
import { jobOf } from '../../../../../streams/job/job';
import type { JobState, RetryPolicy } from '../../../../../streams/job/job-state';
import { defaultTiming as timing } from '../../../../../streams/job/timing';
import { aState, sampling, type Fact } from '../../a-job';
import { absent } from '../../facts';

/** A board with the job `p`, taken by ComfyUI, its socket open; facts come a millisecond apart, by the run's id. */
export function aRetried(retry: RetryPolicy | undefined, more: Partial<JobState> = {}) {
  const board = jobBoard(timing);
  const changes: Change[] = [];
  let at = 0;
  const take = (event: BoardEvent): readonly Change[] => {
    const told = board.take(event);
    changes.push(...told);
    return told;
  };
  const state = aState({ ...(retry !== undefined && { retry }), ...more });
  take({ tag: 'linked', clientId: 'c', at });
  take({ tag: 'opened', job: jobOf(state, { graph: sampling, accepted: true }) });
  const told = (id: string, ...facts: readonly Fact[]): readonly Change[] =>
    facts.flatMap((fact) => take({ promptId: id, at: (at += 1), ...fact }));
  const states = (): readonly JobState[] => changes.flatMap((each) => (each.tag === 'state' ? [each.state] : []));
  return {
    board,
    take,
    told,
    states,
    later: (ms: number) => (at += ms),
    last: () => states().at(-1)!,
    reruns: () => changes.flatMap((each) => (each.tag === 'runAgain' ? [each.failure.kind] : [])),
    /** Three good looks over more than ten seconds find it nowhere. */
    lose: (id: string) => {
      for (let look = 0; look < 3; look++) {
        at += timing.suspectMs;
        told(id, absent);
      }
    },
  };
}

export const three: RetryPolicy = { maxAttempts: 3 };
export const resubmit: RetryPolicy = { maxAttempts: 3, onLost: 'resubmit' };
