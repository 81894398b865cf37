import { jobBoard, type BoardEvent, type Change } from '../../../streams/board/board';
import { jobOf } from '../../../streams/job/job';
import type { JobState } from '../../../streams/job/job-state';
import { defaultTiming as timing } from '../../../streams/job/timing';
import { SERVER, aState, sampling, type Fact } from '../job/a-job';

/** A board on which `c` is linked and greeted, and time goes by as told. */
export function aBoard() {
  const reports: string[] = [];
  const board = jobBoard(timing, (where) => void reports.push(where));
  let now = 0;
  const take = (event: BoardEvent): readonly Change[] => board.take(event);
  const states = (changes: readonly Change[]): readonly JobState[] =>
    changes.flatMap((change) => (change.tag === 'state' ? [change.state] : []));
  return {
    board,
    reports,
    at: (time: number) => (now = time),
    take,
    open: (promptId: string, more: Partial<JobState> = {}, accepted = true): readonly JobState[] =>
      states(take({ tag: 'opened', job: jobOf(aState({ promptId, ...more }), { graph: sampling, accepted }) })),
    told: (promptId: string, ...facts: readonly Fact[]): readonly JobState[] =>
      facts.flatMap((fact) => states(take({ promptId, at: now, ...fact }))),
    linked: (clientId = 'c') => states(take({ tag: 'linked', clientId, at: now })),
    unlinked: (clean = false, clientId = 'c') => states(take({ tag: 'unlinked', clientId, at: now, clean })),
    heard: (clientId = 'c') => take({ tag: 'heard', clientId, at: now }),
    garbled: (clientId = 'c') => take({ tag: 'garbled', clientId, at: now }),
    resumed: (nodeId: string, clientId = 'c') => states(take({ tag: 'resumed', clientId, nodeId, at: now })),
    queueLength: (remaining: number, serverUrl = SERVER) =>
      states(take({ tag: 'queueLength', clientId: 'c', serverUrl, remaining, at: now })),
    previewed: (more: { promptId?: string; nodeId?: string; clientId?: string } = {}) =>
      take({ tag: 'previewed', clientId: 'c', at: now, mimeType: 'image/jpeg', image: new Uint8Array(1), ...more }),
    due: (time: number, url = SERVER) => board.due(url, time).map((job) => job.state.promptId),
    /** Whether the socket is opened anew, at a server that answers the look which comes first. */
    deaf: (time: number, clientId = 'c'): boolean => {
      if (board.reopenIfDeaf(clientId, time)) return true;
      for (const { state } of board.due(SERVER, time)) {
        const where = state.status === 'queued' ? 'pending' : 'running';
        board.take({ promptId: state.promptId, at: time, tag: 'found', where });
      }
      return board.reopenIfDeaf(clientId, time);
    },
    /** The same, at a server that answers nothing. */
    deafThoughBusy: (time: number, clientId = 'c') => board.reopenIfDeaf(clientId, time),
  };
}
