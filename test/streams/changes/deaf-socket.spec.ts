import { NEVER, ignoreElements } from 'rxjs';
import { run, seen, sequence } from './a-page';

describe('a deaf socket', () => {
  test('[R7] that is not greeted is closed and opened anew at once', () => {
    const { reports } = run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const servers = [server(cold('(q|)'))];
      const mute$ = cold('      -m');
      const heard$ = cold('               -l-1');
      const expected = '        o-w 10ms 1';
      const session$ = hot('    s', { s: session(sequence(mute$, heard$)) });
      expectObservable(page({ session$, servers }), '^ 20ms !').toBe(expected, seen);
      expectSubscriptions(mute$.subscriptions).toBe('  ^---------!');
      expectSubscriptions(heard$.subscriptions).toBe(' ----------^----------!');
    });
    expect(reports).toEqual(['socket']);
  });

  test('[R7] that stays silent while a job runs is opened anew, more patiently each time', () => {
    run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const servers = [server(cold('(r|)'))];
      const socket$ = cold('    -l');
      const running$ = cold('   -l-s');
      const session$ = hot('    s', { s: session(sequence(running$, socket$)) });
      expectObservable(page({ session$, servers }).pipe(ignoreElements()), '^ 299ms !').toBe('-');
      expectSubscriptions(running$.subscriptions).toBe('^ 47ms !');
      expectSubscriptions(socket$.subscriptions).toBe([
        '48ms ^ 81ms !',
        '130ms ^ 81ms !',
        '212ms ^ 81ms !',
        '294ms ^ 5ms !',
      ]);
    });
  });

  test('[R7] in the trap of an older one that was cut off is found out soon', () => {
    run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const servers = [server(cold('(r|)'))];
      const cut$ = cold('       -l-s-#');
      const trapped$ = cold('                  -l');
      const well$ = cold('                              -l-2');
      const expected = '        o-s 7ms r-----s 11ms 2';
      const session$ = hot('    s', { s: session(sequence(cut$, trapped$, well$)) });
      expectObservable(page({ session$, servers }), '^ 30ms !').toBe(expected, seen);
      expectSubscriptions(cut$.subscriptions).toBe('    ^----!');
      expectSubscriptions(trapped$.subscriptions).toBe('---------------^---------!');
      expectSubscriptions(well$.subscriptions).toBe('-------------------------^-----!');
    });
  });

  test('[R7] silence alone is no error: without a running job the socket stays', () => {
    run(({ cold, hot, page, session, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('-l');
      const session$ = hot('s', { s: session(socket$) });
      expectObservable(page({ session$ }), '^ 999ms !').toBe('o', seen);
      expectSubscriptions(socket$.subscriptions).toBe('^ 999ms !');
    });
  });

  test('a server that answers again wakes the socket that waits for it', () => {
    run(({ cold, hot, page, session, server, scheduler, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('     -l-#');
      const session$ = hot('     s', { s: session(socket$) });
      const servers = [
        server(NEVER, { answeredAt: () => (scheduler.now() < 4 || scheduler.now() >= 12 ? 1 : 0) }),
        // Another, which was away for less.
        server(NEVER, { url: 'http://elsewhere', answeredAt: () => (scheduler.now() < 8 ? 0 : 1) }),
      ];
      const reconnect = { steadyMs: 1_000, delayMs: () => 500 };
      expectObservable(page({ session$, servers }, { reconnect }).pipe(ignoreElements()), '^ 30ms !').toBe('-');
      // It waits from 3 on; the ticks of that wait are at 5, 7, 9, 11 and 13.
      expectSubscriptions(socket$.subscriptions).toBe(['^--!', '-------------^--!']);
    });
  });
});
