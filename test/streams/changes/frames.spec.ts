import { EMPTY, NEVER, concat, concatMap, ignoreElements, of, range, tap, type Observable } from 'rxjs';
import type { BoardEvent } from '../../../streams/board/board';
import { jobChanges, type Session } from '../../../streams/changes/job-changes';
import { barTickMs } from '../../../streams/job/progress/bar';
import type { Fact } from '../job/a-job';
import { aSession, at, facts, opened, policyOn, run, seen, sequence } from './a-page';

describe('frames', () => {
  test('[R3] make a job’s whole life where none was missed: no look is needed', () => {
    run(({ cold, hot, page, session, server, expectObservable, expectSubscriptions }) => {
      const socket$ = cold('    -l-s-1-2-3-x-d');
      const look$ = cold('        (r|)');
      const expected = '        o-s--1-2-3---e';
      const session$ = hot('    s', { s: session(socket$) });
      expectObservable(page({ session$, servers: [server(look$)] }), '^ 60ms !').toBe(expected, seen);
      expectSubscriptions(look$.subscriptions).toBe(at(2));
    });
  });

  test('[R1] [R6] that come again after a reconnect change nothing', () => {
    run(({ cold, hot, page, session, expectObservable, expectSubscriptions }) => {
      const first$ = cold('   -ls2xd#');
      const second$ = cold('                  -ls1xb');
      const expected = '      o-s2-e';
      const session$ = hot('  s', { s: session(sequence(first$, second$)) });
      expectObservable(page({ session$ }), '^ 24ms !').toBe(expected, seen);
      expectSubscriptions(second$.subscriptions).toBe('----------------^--------!');
    });
  });

  test('[R17] are waited for without waking up between two seconds', () => {
    const waits: (number | undefined)[] = [];
    run(({ cold, page, session, scheduler, expectObservable }) => {
      const scheduled = jest.spyOn(scheduler, 'schedule');
      expectObservable(page({ session$: cold('s', { s: session(cold('l')) }) }), '^ 900ms !').toBe('o', seen);
      scheduler.flush();
      waits.push(...scheduled.mock.calls.map(([, ms]) => ms));
    });
    expect(waits).toContain(barTickMs.longest);
    expect(waits).not.toContain(barTickMs.shortest);
  });

  test('[R5] about a job of another server are dropped, whatever its id', () => {
    run(({ cold, hot, page, session, expectObservable }) => {
      const socket$ = cold('  -l-s-d');
      const command$ = hot('  o', { o: of(opened('p', { serverUrl: 'http://elsewhere' })) });
      const session$ = hot('  s', { s: session(socket$) });
      expectObservable(page({ session$, command$ }), '^ 30ms !').toBe('o', seen);
    });
  });

  test('leave bars to the clock, each second, and each 25 ms besides while the board is hurried', () => {
    const ticks: string[] = [];
    run(({ hot, board, scheduler, expectObservable }) => {
      const hurried$ = hot('f 1099ms t 59ms f', { t: true, f: false });
      const take = (event: BoardEvent) => ('at' in event && ticks.push(`${event.tag} ${event.at}`), []);
      const sources = { servers: [], session$: NEVER, command$: NEVER, stop$: NEVER };
      const page$ = jobChanges(sources, { ...board, hurried$, take }, policyOn(scheduler), () => undefined);
      expectObservable(page$, '^ 2500ms !').toBe('');
    });
    expect(ticks).toEqual(['clock 1000', 'moment 1125', 'moment 1150', 'clock 2000']);
  });

  test('four thousand of them make nothing grow', () => {
    const jobs = 200;
    let ended = 0;
    const { board } = run(({ hot, page, scheduler, expectObservable }) => {
      const event = (n: number): BoardEvent[] => {
        const told = (fact: Fact): BoardEvent => ({ promptId: String(n % jobs), at: scheduler.now(), ...fact });
        if (n < jobs) return [opened(String(n))];
        if (n >= 19 * jobs) return [told(facts['e']!)];
        return [{ tag: 'heard', clientId: 'c', at: scheduler.now() }, told(facts[String(1 + (n % 3))]!)];
      };
      const connect = (): Observable<BoardEvent> => concat(range(0, 20 * jobs).pipe(concatMap(event)), NEVER);
      const session$ = hot<Session>('-s', { s: { ...aSession, connect } });
      const page$ = page({ session$, command$: EMPTY }).pipe(
        tap((state) => (ended += (state as { status: string }).status === 'completed' ? 1 : 0)),
        ignoreElements(),
      );
      expectObservable(page$, '^--!').toBe('-');
    });
    expect(ended).toBe(jobs);
    expect(board.jobs.size).toBe(0);
  });
});
