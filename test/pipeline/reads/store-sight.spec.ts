import { Subject, VirtualTimeScheduler, of, throwError } from 'rxjs';
import { storeSight } from '../../../pipeline/reads/store-sight';
import type { TelemetryEvent } from '../../../pipeline/telemetry/telemetry-event';
import { StoreUnavailable, Unstorable, type JobStore } from '../../../sinks/job-store';

/** A store that answers as it is told, and whether it was away a moment ago. */
function aSight() {
  const clock = new VirtualTimeScheduler();
  const mayHaveLost$ = new Subject<void>();
  const stop$ = new Subject<void>();
  const how: { error: Error | undefined } = { error: undefined };
  const given = {
    mayHaveLost$,
    leases: {},
    get: () => (how.error === undefined ? of(undefined) : throwError(() => how.error)),
  };
  const told: TelemetryEvent[] = [];
  const { store, wasAway } = storeSight(
    given as unknown as JobStore,
    { clock, tell: (event) => void told.push(event) },
    stop$,
  );
  const ask = (error?: Error): void => {
    how.error = error;
    store.get('p').subscribe({ error: () => 'as wanted' });
  };
  const pass = (ms: number): void => {
    clock.maxFrames = clock.frame + ms;
    clock.schedule(() => 'now', ms);
    clock.flush();
  };
  return { wasAway, ask, pass, told, mayHaveLost$, stop$ };
}

test.each([
  ['it gave no answer', ({ ask }: ReturnType<typeof aSight>) => ask(new StoreUnavailable('away'))],
  ['it may have lost writes', ({ mayHaveLost$ }: ReturnType<typeof aSight>) => mayHaveLost$.next()],
])('a store was away a moment ago for four seconds after %s', (_why, act) => {
  const sight = aSight();
  expect(sight.wasAway()).toBe(false);
  sight.pass(10_000);
  act(sight);
  sight.pass(3_999);
  expect(sight.wasAway()).toBe(true);
  sight.pass(1);
  expect(sight.wasAway()).toBe(false);
});

test('one that answers, if only to refuse, was not; each call is told', () => {
  const { ask, wasAway, told } = aSight();
  ask();
  ask(new Unstorable('too long'));
  expect(wasAway()).toBe(false);
  ask(new StoreUnavailable('away'));
  expect(told.map((event) => event.tag === 'storeCalled' && event.outcome)).toEqual(['ok', 'refused', 'unavailable']);
});

test('it is looked at no longer than its pipeline lives', () => {
  const { stop$, mayHaveLost$ } = aSight();
  expect(mayHaveLost$.observed).toBe(true);
  stop$.next();
  expect(mayHaveLost$.observed).toBe(false);
});
