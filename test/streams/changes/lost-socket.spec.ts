import { ignoreElements } from 'rxjs';
import { at, run, seen, sequence } from './a-page';

describe('a socket lost in the middle of a job', () => {
  test('[R8] polling takes over, and goes when the socket is back', () => {
    const { reports } = run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const first$ = cold('   -l-s-1-#');
      const second$ = cold('                   --l-----2');
      const look$ = cold('      (r|)');
      const expected = '      o-s--1------p-------R----2';
      const sockets = sequence(first$, second$);
      const session$ = hot('  s', { s: session(sockets) });
      expectObservable(page({ session$, servers: [server(look$)] }), '^ 29ms !').toBe(expected, seen);
      // After the first link (R6) · 4 ms after the loss, then every 5 · after the second link (R6), and no more.
      expectSubscriptions(look$.subscriptions).toBe(at(2, 12, 18, 20));
      expectSubscriptions(first$.subscriptions).toBe(' ^------!');
      expectSubscriptions(second$.subscriptions).toBe('-----------------^ 12ms !');
    });
    expect(reports).toEqual(['socket']);
  });

  test('[R3] the end that it missed comes from a look, with its outputs, and once', () => {
    run(({ cold, hot, page, session, server, expectObservable }) => {
      const first$ = cold('   -l-s-1-#');
      const second$ = cold('                   --l-d-x');
      const look$ = cold('      (r|)');
      const ended$ = cold('               (e|)');
      const expected = '      o-s--1------E';
      const session$ = hot('  s', { s: session(sequence(first$, second$)) });
      const servers = [server(sequence(look$, ended$))];
      expectObservable(page({ session$, servers }), '^ 60ms !').toBe(expected, seen);
    });
  });

  test('[R6] each connect is followed by one look, and by no more while the socket is open', () => {
    run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l-----#');
      const look$ = cold('      (q|)');
      const expected = '      o-w 9ms q 5ms w';
      const session$ = hot('  s', { s: session(socket$) });
      expectObservable(page({ session$, servers: [server(look$)] }), '^ 24ms !').toBe(expected, seen);
      expectSubscriptions(look$.subscriptions).toBe(at(2, 12, 18));
    });
  });

  test('[R8] while frames flow there is no look but the slow audit', () => {
    run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l-1 9ms 2 9ms 1 9ms 2 9ms 3 9ms 1 29ms h 29ms h 29ms h 29ms h');
      const look$ = cold('    (r|)');
      const session$ = hot('  s', { s: session(socket$) });
      expectObservable(page({ session$, servers: [server(look$)] }).pipe(ignoreElements()), '^ 159ms !').toBe('-');
      expectSubscriptions(look$.subscriptions).toBe(at(2, 154));
    });
  });
});
