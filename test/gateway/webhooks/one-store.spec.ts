import { concat, defer, lastValueFrom, mergeMap, throwError } from 'rxjs';
import { StoreUnavailable } from '../../../sinks/job-store';
import type { Hooks } from '../../../sinks/webhook-queue';
import { aState } from '../../sinks/a-state';
import { ada, adas, delivered, delivering, done, ended, firstHooks, pass, reports, startClock } from './delivering';

let hooks: Hooks;
beforeEach(() => {
  startClock();
  hooks = firstHooks;
});
const { open } = delivering(() => hooks);

test('of a store that is away is told once an outage', async () => {
  let isAway = false;
  const kept = hooks;
  const claim: Hooks['claim'] = (most, forMs) =>
    isAway ? throwError(() => new StoreUnavailable('Redis is away')) : kept.claim(most, forMs);
  hooks = { ...kept, claim };
  const { add, close, sent } = open(() => delivered);
  for (const outage of [1, 2]) {
    isAway = true;
    await pass(60_000);
    expect(reports).toEqual(Array(outage).fill('StoreUnavailable: Redis is away'));
    isAway = false;
    await pass(5_000);
  }
  await add(adas('job-1'), 'https://example.com/', ada);
  await pass(60_000);
  expect(sent).toHaveLength(1);
  close();
});

test('two on one store tell once; what one took and did not tell, the other does', async () => {
  const [one, other] = [open(() => delivered), open(() => delivered)];
  for (let n = 0; n < 120; n += 1) await one.add(adas(`job-${n}`), 'https://example.com/', ada);
  await pass(5_000);
  expect(new Set([...one.sent, ...other.sent].map(({ message }) => message.id)).size).toBe(120);
  expect(one.sent.length + other.sent.length).toBe(120);
  await done(hooks.add({ promptId: 'x', text: '{"url":"https://e.com","at":0,"attempts":0}' }, 0));
  await lastValueFrom(hooks.claim(1, 30_000)); // and dies
  one.close();
  await pass(29_000);
  expect(other.sent.filter(({ message }) => message.id === 'msg_x')).toEqual([]);
  await pass(3_000);
  expect(other.sent.at(-1)?.message.id).toBe('msg_x');
  other.close();
});

test('tells within seconds what another looked at before the store had the job’s end', async () => {
  let job = aState({ status: 'processing' });
  const kept = hooks;
  /** The other has it first, finds the job under way, and puts it off. */
  const putOff$ = kept.claim(1, 30_000).pipe(mergeMap(([hook]) => kept.later(hook!, 30_000)));
  let isFirst = true;
  const hurry: Hooks['hurry'] = (promptId) =>
    defer(() => {
      const hurried$ = isFirst ? concat(kept.hurry(promptId), putOff$) : kept.hurry(promptId);
      isFirst = false;
      return hurried$;
    });
  hooks = { ...kept, hurry };
  const { add, close, sent, states$ } = open(
    () => delivered,
    () => job,
  );
  await add(adas('job-1'), 'https://example.com/', ada);
  job = ended;
  states$.next(ended);
  await pass(1_000);
  expect(sent).toEqual([]);
  await pass(4_000);
  expect(sent).toHaveLength(1);
  close();
});
