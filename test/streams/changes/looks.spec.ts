import { ignoreElements, of, throwError } from 'rxjs';
import type { Server } from '../../../streams/changes/job-changes';
import { at, due, run, seen, sequence } from './a-page';

describe('a look', () => {
  test('[R9] that fails is reported, backs off and ends nothing', () => {
    const { reports } = run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const failing$ = cold('   #');
      const look$ = cold('      (q|)');
      const socket$ = cold('  -l 52ms 1');
      const expected = '      o 35ms w 17ms 1';
      const session$ = hot('  s', { s: session(socket$) });
      const servers = [server(sequence(failing$, failing$, look$))];
      expectObservable(page({ session$, servers }), '^ 60ms !').toBe(expected, seen);
      // The waits are 10 and 20 ms, each and then a tick.
      expectSubscriptions(failing$.subscriptions).toBe(at(2, 14));
      expectSubscriptions(look$.subscriptions).toBe(at(36));
    });
    expect(reports).toEqual(['look', 'look']);
  });

  test('[R4] that fails is no evidence, however often', () => {
    const { board } = run(({ cold, hot, page, server, expectObservable }) => {
      const failing$ = cold(' #');
      const source$ = page({ servers: [server(failing$)], command$: hot('o', { o: of(due()) }) });
      expectObservable(source$, '^ 900ms !').toBe('o', seen);
    });
    expect(board.job('p')).toMatchObject({ state: { status: 'queued' }, stage: { absences: { count: 0 } } });
  });

  test('[R4] that finds nothing counts; those that fail between make the job no more lost, and no less', () => {
    run(({ cold, hot, page, server, expectObservable, expectSubscriptions }) => {
      const absent$ = cold('  (n|)');
      const failing$ = cold(' #');
      const expected = '      o-A 23ms L';
      const looks$ = sequence(absent$, failing$, absent$, absent$);
      const source$ = page({ servers: [server(looks$)], command$: hot('o', { o: of(due()) }) });
      expectObservable(source$, '^ 60ms !').toBe(expected, { ...seen, A: { status: 'queued', via: 'polling' } });
      expectSubscriptions(absent$.subscriptions).toBe(at(2, 20, 26));
    });
  });

  test('[R15] that a mistake of ours breaks for all of them, and for none alone, is reported', () => {
    const { reports } = run(({ cold, hot, page, server, looked, expectObservable }) => {
      const look$ = cold('(q|)');
      const lookUp: Server['lookUp'] = (jobs) =>
        jobs.length > 1 ? throwError(() => new TypeError('a mistake')) : looked(look$);
      const command$ = hot('o', { o: of(due(), due('z')) });
      const source$ = page({ servers: [server(look$, { lookUp })], command$ }, { isTransient: () => false });
      expectObservable(source$.pipe(ignoreElements()), '^ 5ms !').toBe('-');
    });
    expect(reports).toEqual(['look']);
  });

  test('[R15] that a mistake of ours breaks for one of them fails that job, and the others are looked up', () => {
    const { reports } = run(({ cold, hot, page, server, looked, expectObservable }) => {
      const look$ = cold('(q|)');
      const mistake = () => throwError(() => new TypeError('a mistake'));
      const lookUp: Server['lookUp'] = (jobs) =>
        jobs.some(({ state }) => state.promptId === 'z') ? mistake() : looked(look$);
      const command$ = hot('zp', { z: of(due('z')), p: of(due()) });
      const source$ = page({ servers: [server(look$, { lookUp })], command$ }, { isTransient: () => false });
      expectObservable(source$, '^ 5ms !').toBe('oo(Bq)', seen);
    });
    expect(reports).toEqual(['look']);
  });

  test('[R4] a server that goes away between the look at all and the look at each fails none', () => {
    let looks = 0;
    const { board, reports } = run(({ cold, hot, page, server, expectObservable }) => {
      const away = new Error('away');
      const lookUp: Server['lookUp'] = () => throwError(() => (looks++ === 0 ? new TypeError('a mistake') : away));
      const command$ = hot('o', { o: of(due(), due('z')) });
      const servers = [server(cold('|'), { lookUp })];
      const source$ = page({ servers, command$ }, { isTransient: (error) => error === away });
      expectObservable(source$.pipe(ignoreElements()), '^ 5ms !').toBe('-');
    });
    expect([board.jobs.size, reports]).toEqual([2, ['look', 'look']]);
  });

  test('tells the server which runs are ours', () => {
    const ours: boolean[] = [];
    run(({ cold, hot, page, server, looked, expectObservable }) => {
      const look$ = cold('(q|)');
      const lookUp: Server['lookUp'] = (_, isOurs) => (ours.push(isOurs('p'), isOurs('a stranger’s')), looked(look$));
      const source$ = page({ servers: [server(look$, { lookUp })], command$: hot('o', { o: of(due()) }) });
      expectObservable(source$, '^ 3ms !').toBe('o-q', seen);
    });
    expect(ours).toEqual([true, false]);
  });

  test('[R8] waits for the one before it', () => {
    run(({ cold, hot, page, server, expectObservable, expectSubscriptions }) => {
      const slow$ = cold('        ---------(q|)');
      const source$ = page({ servers: [server(slow$)], command$: hot('o', { o: of(due()) }) });
      expectObservable(source$, '^ 30ms !').toBe('o 10ms q', seen);
      expectSubscriptions(slow$.subscriptions).toBe(['--^--------!', '----------------^--------!', '30ms ^!']);
    });
  });

  test('[R8] of one server asks nothing of another, and its failure ends nothing there', () => {
    run(({ cold, hot, page, server, expectObservable, expectSubscriptions }) => {
      const failing$ = cold(' #');
      const look$ = cold('    (q|)');
      const servers = [server(failing$, { url: 'http://elsewhere' }), server(look$)];
      const command$ = hot('  o', { o: of(due(), due('z', { serverUrl: 'http://elsewhere' })) });
      expectObservable(page({ servers, command$ }).pipe(ignoreElements()), '^ 19ms !').toBe('-');
      expectSubscriptions(look$.subscriptions).toBe(at(2, 8, 14));
      expectSubscriptions(failing$.subscriptions).toBe(at(2, 14));
    });
  });
});
