import { firstValueFrom } from 'rxjs';
import { bytesInHand } from '../../../../gateway/http/bodies/bytes-in-hand';

const busy = expect.objectContaining({ kind: 'busy', headers: { 'Retry-After': '2' } }) as Error;

test('[R16] bodies of all callers are bounded together, and make room when they are done with', () => {
  const holding = bytesInHand(100);
  const [one, other] = [holding(), holding()];
  one.take(50);
  other.take(50);
  expect(() => other.take(1)).toThrow(busy);
  one.release();
  other.take(50);
  expect(() => other.take(1)).toThrow(busy);
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

test('[R16] the largest that is being read gives way to a smaller one, which no dripping sender keeps out', async () => {
  const holding = bytesInHand(100);
  const [large, larger, small] = [holding(), holding(), holding()];
  large.take(40);
  larger.take(60);
  small.take(10);
  await expect(firstValueFrom(larger.gaveWay$)).rejects.toEqual(busy);
  expect(() => larger.take(1)).toThrow(busy);
  larger.release();
  // 50 are held: what gave way has made room once.
  small.take(50);
  expect(() => small.take(1)).toThrow(busy);
});

test('one that is read gives way no more', () => {
  const holding = bytesInHand(100);
  const [large, small] = [holding(), holding()];
  large.take(100);
  large.keep();
  expect(() => small.take(1)).toThrow(busy);
  large.release();
  small.take(1);
});
