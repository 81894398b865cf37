import { VirtualTimeScheduler } from 'rxjs';
import { sendQueue } from '../../../gateway/sockets/send-queue';
import type { Wire } from '../../../gateway/sockets/wire';
import { bounds } from '../../../streams/bounds';
import type { PublicJob } from '../../../gateway/wire/public-job';

const job = (promptId: string, seq: number, status: PublicJob['status'] = 'processing'): PublicJob =>
  ({ promptId, seq, status, epoch: 1 }) as PublicJob;
const preview = (promptId: string, bytes = 1) => ({
  promptId,
  nodeId: '3',
  mimeType: 'image/png',
  image: new Uint8Array(bytes),
});

/** A send queue whose connection drains when it is told to. */
function trial({ waitingBytes = 1000, stallMs = 100, isTurnOver = true } = {}) {
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

test('a fast reader gets everything', () => {
  const { box, sent, drain } = trial();
  for (const seq of [1, 2, 3]) {
    box.state(job('a', seq));
    drain();
  }
  expect(sent).toEqual(['a1', 'a2', 'a3']);
});

test('a slow one gets the newest of each job, in turn, and always the last', () => {
  const { box, sent, drainAll } = trial();
  for (let seq = 1; seq <= 100_000; seq += 1) box.state(job(seq % 2 ? 'a' : 'b', seq));
  box.state(job('a', 100_001, 'completed'));
  drainAll();
  expect(sent).toEqual(['a1', 'b100000', 'a100001']);
});

test('states of one turn leave together at its end, before the end of one of their jobs and an answer', () => {
  const { box, sent, drainAll, endTurn } = trial({ isTurnOver: false });
  for (const id of ['a', 'b', 'c']) box.state(job(id, 1));
  expect(sent).toEqual([]);
  box.state(job('d', 9, 'completed'));
  box.answer({ ok: false, error: { code: 'left', message: 'x' } }, () => sent.push('answer'));
  endTurn();
  expect(sent).toEqual(['a1,b1,c1']);
  drainAll();
  expect(sent).toEqual(['a1,b1,c1', 'd9', 'answer']);
});

test('of a job that is told several times in one turn, a fast reader gets the first and the newest', () => {
  const { box, sent, drainAll, endTurn } = trial({ isTurnOver: false });
  for (const seq of [1, 2, 3]) box.state(job('a', seq));
  box.state(job('b', 1));
  endTurn();
  expect(sent).toEqual(['a1']);
  drainAll();
  expect(sent).toEqual(['a1', 'a3,b1']);
});

test('a turn that brings much has it leave before its end, and what waits of it counts', () => {
  const { box, sent, drain, endTurn } = trial({ isTurnOver: false, waitingBytes: 100_000 });
  const large = (id: string): PublicJob => ({ ...job(id, 1), metadata: { text: 'x'.repeat(30_000) } });
  for (const id of ['a', 'b', 'c', 'd', 'e']) box.state(large(id));
  expect(sent).toEqual(['a1,b1']);
  endTurn();
  drain();
  expect(sent).toEqual(['a1,b1', 'c1,d1']);
});

test('an end that is not acknowledged is sent again, four times in all', () => {
  const { box, sent, ends, drain } = trial();
  box.state(job('a', 9, 'completed'));
  for (let times = 1; times <= 4; times += 1) {
    drain();
    expect(sent).toHaveLength(times);
    ends[times - 1]!(false);
  }
  drain();
  expect(sent).toEqual(['a9', 'a9', 'a9', 'a9']);
});

test('an end that is acknowledged, or left, is not sent again', () => {
  const { box, sent, ends, drainAll } = trial();
  box.state(job('a', 9, 'completed'));
  drainAll();
  box.state(job('b', 9, 'failed'));
  ends[0]!(true);
  drainAll();
  box.forget('b');
  ends[1]!(false);
  drainAll();
  expect(sent).toEqual(['a9', 'b9']);
});

test('to a slow reader an end is sent again in its turn, once', () => {
  const { box, sent, ends, drain, drainAll } = trial();
  box.state(job('a', 9, 'completed'));
  drain();
  box.state(job('x', 1));
  box.state(job('y', 1));
  ends[0]!(false);
  box.state(job('a', 9, 'completed'));
  drainAll();
  expect(sent).toEqual(['a9', 'x1', 'y1', 'a9']);
});

test('answers all arrive, in order, and a snapshot replaces what waited of its job', () => {
  const { box, sent, drainAll } = trial();
  box.state(job('x', 1));
  box.state(job('a', 1));
  const answer = (n: number): void => {
    box.answer({ ok: true, job: job('a', n) }, () => sent.push(`answer ${n}`));
  };
  answer(2);
  box.state(job('a', 3));
  answer(3);
  drainAll();
  expect(sent).toEqual(['x1', 'answer 2', 'answer 3']);
});

test('previews wait behind states, the newest of each of four jobs, and not past their job’s end', () => {
  const { box, sent, drainAll } = trial();
  box.state(job('x', 1));
  for (const id of ['a', 'b', 'c', 'd', 'e', 'e', 'e']) box.preview(preview(id));
  box.state(job('c', 9, 'completed'));
  drainAll();
  expect(sent).toEqual(['x1', 'c9', 'preview b', 'preview d', 'preview e']);
});

test('a huge preview is not sent', () => {
  const { box, sent } = trial();
  box.preview(preview('a', bounds.previewBytes + 1));
  expect(sent).toEqual([]);
});

test('a picture of 1024 pixels square passes, and its reader is not slow for having it under way', () => {
  const { box, sent, drain, clock } = trial({ waitingBytes: 1_000, stallMs: 100 });
  box.preview(preview('a', 3_200_000));
  box.state(job('b', 1));
  clock.maxFrames = 90_000;
  clock.schedule(() => box.inspect(), 90_000);
  clock.flush();
  drain();
  expect(sent).toEqual(['preview a', 'b1']);
});

test('a reader who takes nothing of it is', () => {
  const { box, sent, clock } = trial({ stallMs: 100 });
  box.preview(preview('a', 3_200_000));
  clock.maxFrames = 101_000;
  clock.schedule(() => box.inspect(), 101_000);
  clock.flush();
  expect(sent).toEqual(['preview a', 'cut: nothing left for 100 ms']);
});

test('of answers of many jobs one is owed at a time, made when it leaves; those that it replaces are told', () => {
  const { box, sent, survey, drainAll } = trial();
  box.survey(survey('all 1', 1));
  box.state(job('x', 1));
  for (const n of [2, 3, 4]) box.survey(survey(`all ${n}`, 1));
  drainAll();
  expect(sent).toEqual(['all 1', 'not all 2', 'not all 3', 'x1', 'all 4']);
});

test('an answer of many jobs passes, and its reader is not slow for having it under way; who takes nothing of it is', () => {
  const { box, sent, survey, drain, clock } = trial({ waitingBytes: 1_000, stallMs: 100 });
  const bytes = bounds.answerBytes;
  box.survey(survey('all', bytes));
  box.state(job('b', 1));
  clock.frame = 100 + bytes / 32;
  box.inspect();
  drain();
  expect(sent).toEqual(['all', 'b1']);
  drain();
  box.survey(survey('all', bytes));
  clock.frame += 101 + bytes / 32;
  box.inspect();
  expect(sent.slice(2)).toEqual(['all', 'cut: nothing left for 100 ms']);
});

test('what was left does not come', () => {
  const { box, sent, drainAll } = trial();
  for (const id of ['x', 'a', 'b']) box.state(job(id, 1));
  box.preview(preview('a'));
  box.forget('a');
  drainAll();
  expect(sent).toEqual(['x1', 'b1']);
});

test('over the limit of waiting bytes, the reader is cut', () => {
  const { box, sent } = trial({ waitingBytes: 300 });
  for (const seq of [1, 2, 3, 4, 5, 6]) box.state(job('a', seq));
  expect(sent).toEqual(['a1']);
  for (let n = 1; n < 10; n += 1) box.answer({ ok: false, error: { code: 'left', message: 'x' } }, () => undefined);
  expect(sent[1]).toMatch(/^cut: over 300 bytes/);
});

test('a reader is cut once nothing has left for too long, and only while something waits', () => {
  const { box, sent, drain, clock } = trial();
  clock.frame = 1000;
  box.inspect();
  box.state(job('a', 1));
  clock.frame = 1100;
  box.inspect();
  expect(sent).toEqual(['a1']);
  drain();
  clock.frame = 2000;
  box.preview(preview('a'));
  box.inspect();
  expect(sent).toEqual(['a1', 'preview a']);
  clock.frame = 2101;
  box.inspect();
  expect(sent[2]).toBe('cut: nothing left for 100 ms');
});
