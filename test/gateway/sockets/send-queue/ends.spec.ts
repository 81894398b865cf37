import { job, trial } from './trial';

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
