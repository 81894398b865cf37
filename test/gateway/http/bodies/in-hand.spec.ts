import { bytesInHand } from '../../../../gateway/http/bodies/in-hand';

const busy = expect.objectContaining({ kind: 'busy', headers: { 'Retry-After': '2' } }) as Error;

test('[R16] bodies of all callers are bounded together, and make room when they are done with', () => {
  const holding = bytesInHand(100);
  const [one, other] = [holding(), holding()];
  one.take(60);
  other.take(40);
  expect(() => other.take(1)).toThrow(busy);
  one.release();
  other.take(60);
  expect(() => holding().take(1)).toThrow(busy);
});

test('what is released twice makes room once', () => {
  const holding = bytesInHand(100);
  const [one, other] = [holding(), holding()];
  one.take(60);
  other.take(40);
  one.release();
  one.release();
  one.take(60);
  expect(() => one.take(1)).toThrow(busy);
});
