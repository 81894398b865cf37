import { job, preview, trial } from './trial';

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
