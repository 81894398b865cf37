import { Subject, of, throwError } from 'rxjs';
import type { BoardEvent } from '../../../streams/board/board';
import { inTurn } from '../../../streams/changes/in-turn';
import { opened, run, seen } from './a-page';

describe('a command', () => {
  test('keeps no other waiting', () => {
    run(({ cold, hot, page, expectObservable }) => {
      const slow$ = cold<BoardEvent>('--------o|', { o: opened('slow') });
      const quick$ = cold<BoardEvent>('       o|', { o: opened('quick') });
      const command$ = hot('          -s-q', { s: slow$, q: quick$ });
      expectObservable(page({ command$ }), '^ 20ms !').toBe('---o-----o', seen);
    });
  });

  test('that errors is a bug of ours, and ends everything', () => {
    const { reports } = run(({ cold, hot, page, session, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('  -l');
      const command$ = hot('  o--c', { o: of(opened()), c: throwError(() => new Error('a bug')) });
      const session$ = hot('  s', { s: session(socket$) });
      expectObservable(page({ session$, command$ })).toBe('o--#', seen, new Error('a bug'));
      expectSubscriptions(socket$.subscriptions).toBe('^--!');
    });
    expect(reports).toEqual([]);
  });

  test('that is given while a change is told waits until that and all that came with it are told, as does the end', () => {
    const given$ = new Subject<number>();
    const told: unknown[] = [];
    given$.pipe(inTurn((n) => [n, n * 10])).subscribe({
      next: (n) => {
        told.push(n);
        if (n < 3) given$.next(n + 1);
        if (n === 2) given$.complete();
      },
      complete: () => told.push('complete'),
    });
    given$.next(1);
    expect(told).toEqual([1, 10, 2, 20, 3, 30, 'complete']);
  });
});
