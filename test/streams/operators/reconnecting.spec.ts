import { NEVER, asyncScheduler, defer, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { Backoff } from '../../../streams/operators/backoff';
import { reconnecting, type Reconnecting } from '../../../streams/operators/reconnecting';

const marbles = (): TestScheduler => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
const backoff = { steadyMs: 50, delayMs: (n: number) => 10 * 2 ** (n - 1) };
/** After every error. */
const always = (waits: Backoff, wake$: Observable<unknown> = NEVER): Reconnecting => ({
  backoff: waits,
  clock: asyncScheduler,
  isTransient: () => true,
  wake$,
});
const values = { a: { frame: 'a' } };

test('[R10] waits longer after each short connection', () => {
  marbles().run(({ cold, expectObservable, expectSubscriptions }) => {
    const socket$ = cold('      a#', values);
    const expected = '          a 10ms a 20ms a 40ms a';
    const subscriptions = ['    ^!', '11ms ^!', '32ms ^!', '73ms ^!'];
    expectObservable(socket$.pipe(reconnecting(always(backoff))), '^ 75ms !').toBe(expected, values);
    expectSubscriptions(socket$.subscriptions).toBe(subscriptions);
  });
});

test('[R10] a value proves nothing: who accepts, greets and drops waits on', () => {
  marbles().run(({ cold, expectObservable }) => {
    const socket$ = cold('a 48ms #', values);
    const expected = '    a 58ms a 68ms a 88ms a';
    expectObservable(socket$.pipe(reconnecting(always(backoff))), '^ 220ms !').toBe(expected, values);
  });
});

test('[R10] starts the count again after a steady connection', () => {
  marbles().run(({ cold, expectObservable }) => {
    const socket$ = cold('a 60ms #', values);
    const expected = '    a 70ms a 70ms a';
    expectObservable(socket$.pipe(reconnecting(always(backoff))), '^ 145ms !').toBe(expected, values);
  });
});

test('starts the count again after a steady connection among short ones', () => {
  marbles().run(({ cold, expectObservable }) => {
    let opened = 0;
    const socket$ = defer(() => (++opened === 3 ? cold('a 60ms #', values) : cold('a#', values)));
    const expected = 'a 10ms a 20ms a 70ms a 20ms a';
    expectObservable(socket$.pipe(reconnecting(always(backoff))), '^ 126ms !').toBe(expected, values);
  });
});

test('knows what went wrong when it chooses how long to wait', () => {
  const waits: unknown[] = [];
  const choosing = {
    steadyMs: 50,
    delayMs: (n: number, error?: unknown) => {
      waits.push([n, error]);
      return error === 'asked for' ? 0 : 30;
    },
  };
  marbles().run(({ cold, expectObservable }) => {
    let opened = 0;
    const socket$ = defer(() => cold('a#', values, ++opened === 1 ? 'asked for' : 'cut off'));
    const expected = 'aa 30ms a';
    expectObservable(socket$.pipe(reconnecting(always(choosing))), '^ 32ms !').toBe(expected, values);
  });
  expect(waits).toEqual([
    [1, 'asked for'],
    [2, 'cut off'],
  ]);
});

test('a wait is ended by being woken, and not begun again', () => {
  marbles().run(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const socket$ = cold('      a#', values);
    const wake$ = hot('         ----w-');
    const expected = '          a---a 20ms a';
    const subscriptions = ['    ^!', '----^!', '25ms ^!'];
    expectObservable(socket$.pipe(reconnecting(always(backoff, wake$))), '^ 26ms !').toBe(expected, values);
    expectSubscriptions(socket$.subscriptions).toBe(subscriptions);
    expectSubscriptions(wake$.subscriptions).toBe(['-^--!', '-----^ 19ms !', '26ms ^!']);
  });
});

test('an end is an end', () => {
  marbles().run(({ cold, expectObservable }) => {
    expectObservable(cold('a|', values).pipe(reconnecting(always(backoff)))).toBe('a|', values);
  });
});

test('unsubscribing closes the socket', () => {
  marbles().run(({ cold, expectObservable, expectSubscriptions }) => {
    const socket$ = cold('  a-----', values);
    const unsubscription = '^--!';
    expectObservable(socket$.pipe(reconnecting(always(backoff))), unsubscription).toBe('a', values);
    expectSubscriptions(socket$.subscriptions).toBe(unsubscription);
  });
});

test('unsubscribing ends the wait', () => {
  marbles().run(({ cold, expectObservable, expectSubscriptions }) => {
    const socket$ = cold('  a#', values);
    const unsubscription = '^---!';
    expectObservable(socket$.pipe(reconnecting(always(backoff))), unsubscription).toBe('a', values);
    expectSubscriptions(socket$.subscriptions).toBe('^!');
  });
});

test('two subscribers count for themselves', () => {
  marbles().run(({ cold, expectObservable }) => {
    const socket$ = cold('a#', values).pipe(reconnecting(always(backoff)));
    expectObservable(socket$, '    ^ 32ms !').toBe('    a 10ms a 20ms a', values);
    expectObservable(socket$, '5ms ^ 32ms !').toBe('5ms a 10ms a 20ms a', values);
  });
});

test('an error that is not the outside’s is passed on at once', () => {
  marbles().run(({ cold, expectObservable, expectSubscriptions }) => {
    const bug = new TypeError('a mistake');
    const socket$ = cold('      a--#', values, bug);
    const isTransient = (error: unknown): boolean => !(error instanceof TypeError);
    expectObservable(socket$.pipe(reconnecting({ ...always(backoff), isTransient }))).toBe('a--#', values, bug);
    expectSubscriptions(socket$.subscriptions).toBe(['^--!']);
  });
});
