import { bounds } from '../../../../streams/bounds';
import { job, trial } from './trial';

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
