import { concat, from, lastValueFrom, of, toArray, type Observable } from 'rxjs';
import { UnknownJob, type JobRequest } from '../api';
import type { Choice } from '../posting/choose-server';
import { isTransient, type Env } from '../env';
import type { Reads } from '../reads/reads';
import { whenReady, type Sessions } from '../sessions/sessions';
import { checkedTracking, checkId } from './request';
import { newState } from './submissions';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { jobOf } from '../../streams/job/job';
import type { JobState } from '../../streams/job/job-state';

export interface TrackingParts {
  readonly choice: Choice;
  readonly sessions: Pick<Sessions, 'own' | 'ready'>;
  readonly board: BoardView;
  readonly reads: Pick<Reads, 'get'>;
  readonly run: (command$: Observable<BoardEvent>) => Promise<void>;
}

/** `Pipeline.track`: looks for a job on the named server, or on each in turn, and has it watched. */
export const tracking =
  ({ choice, sessions, board, reads, run }: TrackingParts, { clock }: Pick<Env, 'clock'>) =>
  async (promptId: string, given: JobRequest): Promise<JobState> => {
    checkId(promptId);
    const request = checkedTracking(given);
    await whenReady(sessions);
    const known = (await reads.get(promptId)) ?? board.run(promptId)?.state;
    if (known !== undefined) return known;
    const servers = request.server === undefined ? choice.servers : [choice.asked(request.server, request.type)];
    let silent: unknown;
    for (const server of servers) {
      const session = sessions.own(server.url);
      const state: JobState = { ...newState(promptId, server.url, request, clock.now()), via: 'polling', session };
      const job = jobOf(state, { accepted: true });
      const seen = await lastValueFrom(server.lookUp([job]).pipe(toArray())).catch((error: unknown) => {
        if (!isTransient(error)) throw error;
        silent = error;
        return [];
      });
      if (!seen.some((event) => event.tag === 'found' || event.tag === 'ended')) continue;
      await run(concat(of<BoardEvent>({ tag: 'opened', job }), from(seen)));
      return (await reads.get(promptId)) ?? job.state;
    }
    if (silent !== undefined) throw silent as Error;
    throw new UnknownJob('no server knows a job of that id');
  };
