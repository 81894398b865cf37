import type { PublicJob } from '../../../../gateway/wire/public-job';
import { job, preview, trial } from './trial';

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

test('what was left does not come', () => {
  const { box, sent, drainAll } = trial();
  for (const id of ['x', 'a', 'b']) box.state(job(id, 1));
  box.preview(preview('a'));
  box.forget('a');
  drainAll();
  expect(sent).toEqual(['x1', 'b1']);
});
