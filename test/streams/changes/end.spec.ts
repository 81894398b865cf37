import { of, shareReplay, type Observable } from 'rxjs';
import type { BoardEvent } from '../../../streams/board/board';
import { due, type Helpers, opened, run, seen } from './a-page';

describe('the end', () => {
  const stop = (hot: Helpers['hot'], diagram: string): Observable<unknown> =>
    hot(diagram).pipe(shareReplay({ bufferSize: 1, refCount: false }));

  test('comes once every socket is closed with the handshake', () => {
    const { board } = run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l-1');
      const look$ = cold('      (r|)');
      const expected = '      o-s1----|';
      const session$ = hot('  s', { s: session(socket$) });
      expectObservable(page({ session$, servers: [server(look$)], stop$: stop(hot, '--------x') })).toBe(
        expected,
        seen,
      );
      expectSubscriptions(socket$.subscriptions).toBe('^-------!');
    });
    expect(board.session('c')).toBeUndefined();
  });

  test('does not wait for a socket that is between two connections', () => {
    run(({ cold, hot, page, session, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l-#');
      const expected = '      o-----|';
      const session$ = hot('  s', { s: session(socket$) });
      expectObservable(page({ session$, stop$: stop(hot, '------x') })).toBe(expected, seen);
      expectSubscriptions(socket$.subscriptions).toBe('^--!');
    });
  });

  test('does not wait for a socket that was never opened', () => {
    run(({ cold, hot, page, session, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -');
      const expected = '      o-----|';
      const session$ = hot('  s', { s: session(socket$) });
      expectObservable(page({ session$, stop$: stop(hot, '------x') })).toBe(expected, seen);
      expectSubscriptions(socket$.subscriptions).toBe('^-----!');
    });
  });

  test('cuts looks and commands short, and takes no new session', () => {
    run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const look$ = cold('        ----------(r|)');
      const command$ = cold<BoardEvent>('----------o', { o: opened() });
      const late$ = cold('        -l');
      const expected = '          o-----|';
      const sources = {
        servers: [server(look$)],
        session$: hot('           --------s', { s: session(late$) }),
        command$: hot('           oc', { o: of(due()), c: command$ }),
        stop$: stop(hot, '        ------x'),
      };
      expectObservable(page(sources)).toBe(expected, seen);
      expectSubscriptions(look$.subscriptions).toBe('--^---!');
      expectSubscriptions(command$.subscriptions).toBe('-^----!');
      expectSubscriptions(late$.subscriptions).toBe([]);
    });
  });
});
