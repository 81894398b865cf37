import { map, timer } from 'rxjs';
import { fairQueue, type Errand } from '../../../gateway/webhooks/fair-queue';
import { ada, adas, clock, delivered, delivering, failed, pass, startClock } from './delivering';

const { open } = delivering();

beforeEach(startClock);

test('[R16] one user’s webhooks, to however many hosts, leave room for others’; first attempts go before repeated ones', async () => {
  const { add, close, sent } = open((_n, { url }) =>
    url.includes('stuck') ? timer(15_000, clock).pipe(map(() => failed)) : delivered,
  );
  for (let n = 0; n < 200; n += 1) await add(adas(`stuck-${n}`), `https://stuck-${n}.example/`, ada);
  await pass(2_000);
  expect(sent).toHaveLength(10);
  const queue = fairQueue<Errand>({ all: 1, perHost: 1, perUser: 1 });
  const [again, first] = [
    { host: 'a', userId: 'ada', attempts: 3 },
    { host: 'b', userId: 'bob', attempts: 0 },
  ];
  expect([queue.offer(again, 0), queue.offer(first, 0)]).toEqual([true, true]);
  expect(queue.begin()).toEqual([first]);
  queue.over(first);
  expect(queue.begin()).toEqual([again]);
  close();
});
