import { jobBoard } from '../../../../streams/board/board';
import { jobOf } from '../../../../streams/job/job';
import { defaultTiming as timing } from '../../../../streams/job/timing';
import { SERVER, aState, sampling, type Fact } from '../../job/a-job';
import { started } from '../../job/facts';

/** A server's queue as its `status` frames and our jobs tell of it; time goes by in seconds. */
export function aServer() {
  const board = jobBoard(timing);
  let now = 7_200_000;
  const told = (promptId: string, fact: Fact): unknown => board.take({ promptId, at: now, ...fact });
  board.take({ tag: 'linked', clientId: 'c', at: now });
  return {
    told,
    status: (remaining: number, clientId = 'c'): unknown =>
      board.take({ tag: 'queueLength', clientId, serverUrl: SERVER, remaining, at: now }),
    takeUp: (promptId: string): unknown =>
      board.take({ tag: 'opened', job: jobOf(aState({ promptId }), { accepted: true }) }),
    submit: (promptId: string, more: Partial<Fact> = {}): void => {
      board.take({ tag: 'opened', job: jobOf(aState({ promptId }), { graph: sampling }) });
      told(promptId, { tag: 'accepted', postedAt: now, ...more } as Fact);
    },
    /** Whom a look is about, of all those that come within so many seconds; places move with the clock meanwhile. */
    looked: (seconds: number): readonly string[] => {
      const about: string[] = [];
      for (const until = now + seconds * 1_000; now < until; now += 250) {
        about.push(...board.due(SERVER, now).map(({ state }) => state.promptId));
        if (now % 1_000 === 0) board.take({ tag: 'clock', at: now });
      }
      return about;
    },
    setBack: (seconds: number): void => void (now -= seconds * 1_000),
    /** A look finds these waiting. */
    placed: (...promptIds: readonly string[]): void => {
      for (const id of promptIds) told(id, { tag: 'found', where: 'pending', ahead: 3 });
    },
    suspected: (promptId: string): unknown => board.take({ tag: 'suspected', promptId, at: now }),
    garbled: (): unknown => board.take({ tag: 'garbled', clientId: 'c', at: now }),
    place: (promptId: string): number | undefined => board.job(promptId)?.state.queuePosition,
  };
}

/** Three jobs of ours on a server that has nothing else to do: the first runs. */
export function ours() {
  const server = aServer();
  for (const [n, id] of ['a', 'b', 'c'].entries()) {
    server.status(n + 1);
    server.submit(id);
  }
  server.told('a', started);
  return server;
}
