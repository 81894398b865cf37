import { NEVER, concatMap, ignoreElements, merge, of, take, tap } from 'rxjs';
import type { BoardEvent } from '../../../streams/board/board';
import type { Session } from '../../../streams/changes/job-changes';
import { run, seen } from './a-page';

describe('a session that instances hand on', () => {
  test('[R11] opens no socket while another may hold it', () => {
    run(({ cold, hot, page, session, scheduler, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l-1-#');
      const mayOpen = () => scheduler.now() >= 5 && scheduler.now() < 12;
      const session$ = hot('  s', { s: session(socket$, { mayOpen }) });
      expectObservable(page({ session$ }), '^ 60ms !').toBe('o--------1', seen);
      expectSubscriptions(socket$.subscriptions).toBe('------^----!');
    });
  });

  test('[R11] is not opened anew, however deaf, once another may hold it', () => {
    run(({ cold, hot, page, session, server, scheduler, expectObservable, expectSubscriptions }) => {
      const mute$ = cold('    -m');
      const session$ = hot('  s', { s: session(mute$, { mayOpen: () => scheduler.now() < 5 }) });
      const servers = [server(cold('(q|)'))];
      expectObservable(page({ session$, servers }), '^ 30ms !').toBe('o-w', seen);
      expectSubscriptions(mute$.subscriptions).toBe('^ 30ms !');
    });
  });

  test('[R11] brings nothing that came while we slept and another may have taken it', () => {
    const { board } = run(({ cold, hot, page, session, scheduler, expectObservable }) => {
      let asleepMs = 0;
      const clock = { now: () => scheduler.now() + asleepMs, schedule: scheduler.schedule.bind(scheduler) };
      const socket$ = cold('  -l-1-2').pipe(tap((letter) => letter === '2' && (asleepMs = 12_000)));
      const session$ = hot('  s', { s: session(socket$, { mayOpen: () => asleepMs === 0 }) });
      expectObservable(page({ session$ }, { clock }), '^ 30ms !').toBe('o--1', seen);
    });
    // ComfyUI may still have it: the next may be dropped with it.
    expect(board.session('c')).toMatchObject({ open: false, trapPossible: true });
  });

  test('closes its socket once it is ours no more, and no other’s', () => {
    const { board } = run(({ cold, hot, page, session, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l-1-2-3');
      const other$ = cold('   ---------2-3');
      const end$ = hot('      ------x');
      const other = { ...session(other$), clientId: 'other' };
      const session$ = hot('  so', { s: session(socket$, { end$ }), o: other });
      const expected = '      o--1-2------3';
      expectObservable(page({ session$ }), '^ 30ms !').toBe(expected, seen);
      expectSubscriptions(socket$.subscriptions).toBe('^-----!');
      expectSubscriptions(other$.subscriptions).toBe(' -^ 29ms !');
    });
    expect(board.session('c')?.open).toBe(false);
  });

  test('opens no other socket where its own breaks while it is closed', () => {
    let opened = 0;
    const { board, reports } = run(({ cold, hot, page, session, expectObservable }) => {
      const breaks$ = cold<never>('--#');
      const connect: Session['connect'] = (_, stop$) => {
        opened++;
        const linked$ = of<BoardEvent>({ tag: 'linked', clientId: 'c', at: 0 });
        return merge(
          linked$,
          stop$.pipe(
            take(1),
            concatMap(() => breaks$),
          ),
        );
      };
      const end$ = hot('      ----x');
      const session$ = hot('  s', { s: session(NEVER, { end$, connect }) });
      expectObservable(page({ session$ }), '^ 40ms !').toBe('o', seen);
    });
    expect([opened, reports, board.session('c')]).toEqual([1, ['socket'], undefined]);
  });

  test('ends the wait for a socket, and the wait to be allowed one', () => {
    run(({ cold, hot, page, session, expectObservable, expectSubscriptions }) => {
      const cut$ = cold('     -l-#');
      const never$ = cold('   -l');
      const end$ = hot('      -----x');
      const stop$ = hot('     -------x');
      const forbidden = { ...session(never$, { end$, mayOpen: () => false }), clientId: 'other' };
      const session$ = hot('  so', { s: session(cut$, { end$ }), o: forbidden });
      expectObservable(page({ session$, stop$ })).toBe('o------|', seen);
      expectSubscriptions(cut$.subscriptions).toBe('^--!');
      expectSubscriptions(never$.subscriptions).toBe([]);
    });
  });

  test('[R7] is looked at as if the older socket were still there to evict this one', () => {
    run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const servers = [server(cold('(r|)'))];
      const socket$ = cold('  -l-s');
      const session$ = hot('  s', { s: session(socket$, { inherited: true }) });
      expectObservable(page({ session$, servers }).pipe(ignoreElements()), '^ 15ms !').toBe('-');
      // Silent from 3 on, for 6 ms.
      expectSubscriptions(socket$.subscriptions).toBe(['^-------------!', '--------------^-!']);
    });
  });
});
