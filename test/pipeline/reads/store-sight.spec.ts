import { Subject, VirtualTimeScheduler, of, throwError } from 'rxjs';
import { storeSight } from '../../../pipeline/reads/store-sight';
import type { TelemetryEvent } from '../../../pipeline/telemetry/telemetry-event';
import { StoreUnavailable, Unstorable, type JobStore } from '../../../sinks/job-store';

/** A store that answers as it is told, and whether it was away a moment ago. */
function aSight() {
  const clock = new VirtualTimeScheduler();
  const mayHaveLost$ = new Subject<void>();
  const stop$ = new Subject<void>();
  const how = { error: undefined as Error | undefined, isWell: true };
  const given = {
    mayHaveLost$,
    leases: {},
    healthy: () => of(how.isWell),
    get: () => (how.error === undefined ? of(undefined) : throwError(() => how.error)),
  };
  const told: TelemetryEvent[] = [];
  const { store, wasAway, caughtUp } = storeSight(
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
  /** When it has caught up, ms, or why it has not. */
  const waits = (): unknown[] => {
    const seen: unknown[] = [];
    caughtUp().subscribe({ complete: () => seen.push(clock.now()), error: (error: unknown) => seen.push(error) });
    return seen;
  };
  return { wasAway, waits, ask, pass, setTo: (ms: number) => (clock.frame = ms), how, told, mayHaveLost$, stop$ };
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

test('who waits for what others began waits until four seconds after it was away, and not for one that is', () => {
  const { waits, ask, pass, how } = aSight();
  expect(waits()).toEqual([0]);
  pass(10_000);
  ask(new StoreUnavailable('away'));
  pass(1_000);
  const seen = waits();
  pass(2_999);
  expect(seen).toEqual([]);
  pass(1);
  expect([seen, waits()]).toEqual([[14_000], [14_000]]);
  how.isWell = false;
  ask(new StoreUnavailable('away'));
  expect(waits()).toEqual([expect.any(StoreUnavailable)]);
});

test('where the clock was set back since, nobody waits until it is as late again', () => {
  const { wasAway, waits, ask, pass, setTo } = aSight();
  pass(3_600_000);
  ask(new StoreUnavailable('away'));
  setTo(1_000);
  expect([wasAway(), waits()]).toEqual([false, [1_000]]);
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
