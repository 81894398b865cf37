import {
  distinctUntilChanged,
  filter,
  EMPTY,
  NEVER,
  catchError,
  concat,
  concatMap,
  defer,
  ignoreElements,
  map,
  merge,
  of,
  range,
  shareReplay,
  take,
  takeUntil,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { jobBoard, type Board, type BoardEvent, type Change } from '../../streams/board/board';
import { jobOf, lookedUpAt } from '../../streams/job/job';
import { jobChanges, type Policy, type Server, type Session, type Sources } from '../../streams/changes/job-changes';
import type { Timing } from '../../streams/job/timing';
import { aFailure, anOutput, aState, sampling, type Fact } from './job/a-job';

const marbles = (): TestScheduler => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));

/** Short, so that a diagram shows it. */
const timing: Timing = {
  auditMs: 100,
  takeoverMs: 4,
  pollMs: 5,
  suspectMs: 6,
  soonMs: 2,
  lostAfterMs: 10,
  deafMs: 8,
  quietMs: 40,
  trapQuietMs: 6,
  maxQuietMs: 80,
};
const SERVER = 'http://comfyui';

/** What sockets, looks and commands bring, a letter each; all of the job `p` and the session `c`. */
const facts: Record<string, Fact> = {
  s: { tag: 'started' },
  1: { tag: 'stepped', nodeId: '2', value: 1, max: 10 },
  2: { tag: 'stepped', nodeId: '2', value: 2, max: 10 },
  3: { tag: 'stepped', nodeId: '2', value: 3, max: 10 },
  x: { tag: 'executed', nodeId: '3', outputs: [anOutput('3')] },
  d: { tag: 'succeeded' },
  b: { tag: 'broke', failure: aFailure('node_error') },
  r: { tag: 'found', where: 'running' },
  q: { tag: 'found', where: 'pending', ahead: 1 },
  e: { tag: 'ended', outcome: [anOutput('3')] },
  n: { tag: 'absent' },
};
const opened = (promptId = 'p', more = {}): BoardEvent => ({
  tag: 'opened',
  job: lookedUpAt(jobOf(aState({ promptId, ...more }), { graph: sampling, accepted: true }), timing.auditMs),
});
/** The same, to be looked at from the first. */
const due = (promptId = 'p', more = {}): BoardEvent => ({
  tag: 'opened',
  job: jobOf(aState({ promptId, ...more }), { graph: sampling, accepted: true }),
});

/** What is seen of a change: enough to tell them apart, one letter each. */
const seen: Record<string, unknown> = {
  o: { status: 'queued', via: 'websocket' },
  q: { status: 'queued', via: 'polling', queuePosition: 1 },
  w: { status: 'queued', via: 'websocket', queuePosition: 1 },
  s: { status: 'processing', via: 'websocket' },
  r: { status: 'processing', via: 'polling' },
  1: { status: 'processing', via: 'websocket', step: 1 },
  2: { status: 'processing', via: 'websocket', step: 2 },
  3: { status: 'processing', via: 'websocket', step: 3 },
  p: { status: 'processing', via: 'polling', step: 1 },
  R: { status: 'processing', via: 'websocket', step: 1 },
  x: { status: 'processing', via: 'websocket', step: 1 },
  e: { status: 'completed', via: 'websocket' },
  E: { status: 'completed', via: 'polling' },
  B: { status: 'failed', via: 'websocket' },
  L: { status: 'failed', via: 'polling' },
};
const shown = (change: Change): unknown => {
  if (change.tag !== 'state') return change;
  const { status, via, node, queuePosition } = change.state;
  return {
    status,
    via,
    ...(node !== undefined && { step: node.value }),
    ...(queuePosition !== undefined && { queuePosition }),
  };
};

const isRunning = (seen: unknown): boolean => (seen as { status?: unknown }).status === 'processing';

const aSession = { clientId: 'c', serverUrl: SERVER, inherited: false, mayOpen: () => true, end$: NEVER };

type Helpers = Parameters<Parameters<TestScheduler['run']>[0]>[0];

/** The page over sockets, looks and commands given as marbles, on virtual time. */
function aPage(scheduler: TestScheduler, { hot }: Pick<Helpers, 'hot'>) {
  const board = jobBoard(timing);
  const reports: string[] = [];
  const told = (letter: string): BoardEvent => ({ promptId: 'p', at: scheduler.now(), ...facts[letter]! });
  const looked = (letters$: Observable<string>): Observable<BoardEvent> => letters$.pipe(map(told));
  /** `l` is an open socket that greets, `m` a mute one, `h` a frame of no job. */
  const framed = (letter: string): BoardEvent[] => {
    const at = scheduler.now();
    const heard: BoardEvent = { tag: 'heard', clientId: 'c', at };
    const linked: BoardEvent = { tag: 'linked', clientId: 'c', at };
    return letter === 'l'
      ? [linked, heard]
      : letter === 'm'
        ? [linked]
        : letter === 'h'
          ? [heard]
          : [heard, told(letter)];
  };
  const unlinked = (clean: boolean): Observable<BoardEvent> =>
    defer(() => of<BoardEvent>({ tag: 'unlinked', clientId: 'c', at: scheduler.now(), clean }));

  /** A socket as `sources/session.ts` has it: cut off on `#`, closed with the handshake when it is told to. */
  const connect =
    (letters$: Observable<string>): Session['connect'] =>
    (reopen$, stop$) => {
      const cutOff$ = letters$.pipe(
        concatMap(framed),
        catchError((error: unknown) =>
          concat(
            unlinked(false),
            throwError(() => error as Error),
          ),
        ),
      );
      const reopened$ = reopen$.pipe(
        take(1),
        concatMap(() =>
          concat(
            unlinked(true),
            throwError(() => new Error('reopened')),
          ),
        ),
      );
      return concat(merge(cutOff$, reopened$).pipe(takeUntil(stop$)), unlinked(true));
    };
  const session = (letters$: Observable<string>, more: Partial<Session> = {}): Session => ({
    ...aSession,
    connect: connect(letters$),
    ...more,
  });
  const server = (letters$: Observable<string>, more: Partial<Server> = {}): Server => ({
    url: SERVER,
    answeredAt: () => 1,
    lookUp: () => looked(letters$),
    ...more,
  });
  const policy: Policy = {
    tickMs: 2,
    reconnect: { steadyMs: 1_000, delayMs: (_, error) => (isReopened(error) ? 0 : 10) },
    look: { steadyMs: 1_000, delayMs: (n) => 10 * n },
    clock: scheduler,
    isTransient: () => true,
  };
  return {
    board,
    reports,
    looked,
    session,
    server,
    /** The page, by what is seen of its changes. */
    page: (sources: Partial<Sources>, over: Partial<Policy> = {}): Observable<unknown> =>
      jobChanges(
        {
          servers: [],
          session$: NEVER,
          command$: hot<Observable<BoardEvent>>('o', { o: of(opened()) }),
          stop$: NEVER,
          ...sources,
        },
        board,
        { ...policy, ...over },
        (where) => reports.push(where),
      ).pipe(
        filter(({ tag }) => tag !== 'measured'),
        map(shown),
        // Of a job that runs the bar may have gone on by the clock between two that look alike.
        distinctUntilChanged((a, b) => isRunning(a) && JSON.stringify(a) === JSON.stringify(b)),
      ),
  };
}

/** One after the other, a subscription each; the last again and again. */
const sequence = <T>(...all$: readonly Observable<T>[]): Observable<T> => {
  let next = 0;
  return defer(() => all$[Math.min(next++, all$.length - 1)]!);
};

const isReopened = (error: unknown): boolean => error instanceof Error && error.message === 'reopened';

/** Runs a test of the page in virtual time. */
function run(check: (kit: ReturnType<typeof aPage> & Helpers & { scheduler: TestScheduler }) => void): {
  board: Board;
  reports: readonly string[];
} {
  const scheduler = marbles();
  return scheduler.run((helpers) => {
    const page = aPage(scheduler, helpers);
    check({ ...helpers, ...page, scheduler, cold: helpers.cold });
    return page;
  });
}

/** Subscriptions to something that ends at once, at these times. */
const at = (...frames: readonly number[]): string[] => frames.map((frame) => `${frame}ms (^!)`);

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
      const servers = [server(NEVER, { answeredAt: () => (scheduler.now() < 4 || scheduler.now() >= 12 ? 1 : 0) })];
      const reconnect = { steadyMs: 1_000, delayMs: () => 500 };
      expectObservable(page({ session$, servers }, { reconnect }).pipe(ignoreElements()), '^ 30ms !').toBe('-');
      // It waits from 3 on; the ticks of that wait are at 5, 7, 9, 11 and 13.
      expectSubscriptions(socket$.subscriptions).toBe(['^--!', '-------------^--!']);
    });
  });
});

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
    run(({ cold, hot, page, session, scheduler, expectObservable, expectSubscriptions }) => {
      const mute$ = cold('    -m');
      const session$ = hot('  s', { s: session(mute$, { mayOpen: () => scheduler.now() < 5 }) });
      expectObservable(page({ session$ }), '^ 30ms !').toBe('o', seen);
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
    expect(board.session('c')?.open).toBe(false);
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

  test('twenty thousand of them make nothing grow', () => {
    const jobs = 200;
    let ended = 0;
    const { board } = run(({ hot, page, scheduler, expectObservable }) => {
      const event = (n: number): BoardEvent[] => {
        const told = (fact: Fact): BoardEvent => ({ promptId: String(n % jobs), at: scheduler.now(), ...fact });
        if (n < jobs) return [opened(String(n))];
        if (n >= 99 * jobs) return [told(facts['e']!)];
        return [{ tag: 'heard', clientId: 'c', at: scheduler.now() }, told(facts[String(1 + (n % 3))]!)];
      };
      const connect = (): Observable<BoardEvent> => concat(range(0, 100 * jobs).pipe(concatMap(event)), NEVER);
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
