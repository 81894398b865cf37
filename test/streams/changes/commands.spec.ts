import { of, throwError } from 'rxjs';
import type { BoardEvent } from '../../../streams/board/board';
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
});
