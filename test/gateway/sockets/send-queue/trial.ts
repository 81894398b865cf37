import { VirtualTimeScheduler } from 'rxjs';
import { sendQueue } from '../../../../gateway/sockets/send-queue';
import type { Wire } from '../../../../gateway/sockets/wire';
import type { PublicJob } from '../../../../gateway/wire/public-job';

export const job = (promptId: string, seq: number, status: PublicJob['status'] = 'processing'): PublicJob =>
  ({ promptId, seq, status, epoch: 1 }) as PublicJob;
export const preview = (promptId: string, bytes = 1) => ({
  promptId,
  nodeId: '3',
  mimeType: 'image/png',
  image: new Uint8Array(bytes),
});

/** A send queue whose connection drains when it is told to. */
export function trial({ waitingBytes = 1000, stallMs = 100, isTurnOver = true } = {}) {
  const clock = new VirtualTimeScheduler();
  const sent: string[] = [];
  const ends: ((heard: boolean) => void)[] = [];
  let drained = true;
  let underway = 0;
  const send = (what: string) => {
    sent.push(what);
    drained = false;
  };
  const wire: Wire = {
    isDrained: () => drained,
    backlogBytes: () => (drained ? 0 : underway),
    states: (jobs) => send(jobs.map(({ promptId, seq }) => `${promptId}${seq}`).join()),
    end: ({ promptId, seq }, told) => {
      send(`${promptId}${seq}`);
      ends.push(told);
    },
    preview: ({ promptId, image }) => {
      send(`preview ${promptId}`);
      underway = image.byteLength;
    },
    cut: (reason) => sent.push(`cut: ${reason}`),
  };
  const turns: (() => void)[] = [];
  const atEndOfTurn = (leave: () => void): void => (isTurnOver ? leave() : void turns.push(leave));
  const box = sendQueue(wire, { waitingBytes, stallMs }, clock, atEndOfTurn);
  const endTurn = () => turns.splice(0).forEach((leave) => leave());
  /** An answer of many jobs, of so many bytes. */
  const survey = (what: string, bytes: number) => ({
    send: () => {
      send(what);
      return (underway = bytes);
    },
    replaced: () => void sent.push(`not ${what}`),
  });
  const drain = () => {
    drained = true;
    box.drained();
  };
  const drainAll = () => {
    let before;
    do {
      before = sent.length;
      drain();
    } while (sent.length > before);
  };
  return { box, sent, ends, survey, drain, drainAll, endTurn, clock };
}
