import { bounds } from '../../../../streams/bounds';
import { job, preview, trial } from './trial';

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
