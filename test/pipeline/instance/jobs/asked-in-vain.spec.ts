import { EMPTY, VirtualTimeScheduler, lastValueFrom, of, tap, type Observable } from 'rxjs';
import type { Env } from '../../../../pipeline/env';
import { cancelling, type CancellingParts } from '../../../../pipeline/instance/cancelling';
import { jittered } from '../../../../streams/operators/backoff';
import { watchers } from '../../../../streams/maps/keyed-watchers';
import { aState } from '../../../sinks/a-state';

/** Lets virtual time pass, 50 ms at a time, and after each what waits for promises. */
async function passing(clock: VirtualTimeScheduler, ms: number): Promise<void> {
  for (const end = clock.maxFrames + ms; clock.maxFrames < end; clock.maxFrames += 50) {
    clock.flush();
    for (let n = 0; n < 20; n++) await Promise.resolve();
  }
}

/** An instance that is to cancel a job of another, and how often it has asked for that. */
function anInstance(isHeard: boolean) {
  const clock = new VirtualTimeScheduler();
  clock.maxFrames = 0;
  const asks: number[] = [];
  const state = aState({ clientId: 's' });
  const ask = (): Observable<boolean> => of(isHeard).pipe(tap(() => asks.push(clock.frame)));
  const parts = {
    board: { job: () => undefined },
    posting: { stop: () => EMPTY },
    store: { leases: { ask } },
    reads: { get: () => Promise.resolve(state), present: () => Promise.resolve(state) },
    local: { states: watchers() },
    life: { run: (command$: Observable<unknown>) => lastValueFrom(command$, { defaultValue: undefined }) },
  } as unknown as CancellingParts;
  const env: Env = {
    clock,
    random: () => 0.5,
    report: () => undefined,
    backoff: jittered({ firstMs: 1, maxMs: 1, steadyMs: 1 }, () => 0),
  };
  void cancelling(parts, env)(state.promptId);
  return { clock, asks };
}

test.each([
  ['nobody hears it: each 250 ms for the 10 s in which a successor comes, then each 4 s', false, [40, 45], 15],
  ['the holder hears it and does nothing: after 100 ms, at doubled waits, then each 4 s', true, [6, 9], 15],
] as const)('[R17] a cancel is passed on while %s', async (_how, isHeard, [least, most], inAMinute) => {
  const { clock, asks } = anInstance(isHeard);
  await passing(clock, 10_000);
  expect(asks.length).toBeGreaterThanOrEqual(least);
  expect(asks.length).toBeLessThanOrEqual(most);
  await passing(clock, 20_000);
  const before = asks.length;
  await passing(clock, 60_000);
  expect(asks.length - before).toBe(inAMinute);
});
