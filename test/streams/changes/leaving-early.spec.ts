import { of } from 'rxjs';
import type { BoardEvent } from '../../../streams/board/board';
import { opened, run, seen } from './a-page';

describe('who leaves early', () => {
  test('leaves no socket, no look, no command and no timer behind', () => {
    run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l-1-2-3');
      const look$ = cold('      ---------(r|)');
      const command$ = cold<BoardEvent>(' ----------o', { o: opened() });
      const commands$ = hot(' oc', { o: of(opened()), c: command$ });
      const sessions$ = hot(' s', { s: session(socket$) });
      const unsub = '         ^-----!';
      const expected = '      o--1-2';
      expectObservable(page({ session$: sessions$, servers: [server(look$)], command$: commands$ }), unsub).toBe(
        expected,
        seen,
      );
      expectSubscriptions(socket$.subscriptions).toBe(unsub);
      expectSubscriptions(look$.subscriptions).toBe('  --^---!');
      expectSubscriptions(command$.subscriptions).toBe('-^----!');
      expectSubscriptions(commands$.subscriptions).toBe(unsub);
      expectSubscriptions(sessions$.subscriptions).toBe(unsub);
      // A timer that went on would keep this test from ending.
    });
  });

  test('ends the wait for the next socket', () => {
    run(({ cold, hot, page, session, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l-#');
      const session$ = hot('  s', { s: session(socket$) });
      expectObservable(page({ session$ }), '^-----!').toBe('o', seen);
      expectSubscriptions(socket$.subscriptions).toBe('^--!');
    });
  });

  test('leaves those who stay their one socket', () => {
    run(({ cold, hot, page, session, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l-1-2-3');
      const session$ = hot('  s', { s: session(socket$) });
      const page$ = page({ session$ });
      expectObservable(page$, '^---!').toBe('    o--1', seen);
      expectObservable(page$, '^-------!').toBe('o--1-2-3', seen);
      expectSubscriptions(socket$.subscriptions).toBe('^-------!');
    });
  });
});
