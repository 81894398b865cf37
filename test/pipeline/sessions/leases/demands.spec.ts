import { EMPTY, NEVER, Subject, mergeMap, tap } from 'rxjs';
import type { Demand } from '../../../../pipeline/demand';
import { sessions } from '../../../../pipeline/sessions/leased-sessions';
import type { SessionParts } from '../../../../pipeline/sessions/sessions';
import { inTransit } from '../../../../pipeline/sessions/transit';
import type { SessionJobRequest, SessionKey, SessionRequest } from '../../../../sinks/leases';
import { jobBoard } from '../../../../streams/board/board';
import { jobOf } from '../../../../streams/job/job';
import type { JobState } from '../../../../streams/job/job-state';
import { defaultTiming } from '../../../../streams/job/timing';
import { watchers } from '../../../../streams/maps/keyed-watchers';
import { aState } from '../../../streams/job/a-job';
import { aWorld, key, SERVER } from './a-world';

/** The sessions of an instance whose own one is `own`, and what they demand; what it asks of whoever has one. */
function ours() {
  const world = aWorld();
  const { leases, link, holds } = world.instance('one');
  const board = jobBoard(defaultTiming);
  const states = watchers<JobState>();
  const asked$ = new Subject<SessionRequest>();
  const asked: SessionRequest[] = [];
  const released: (readonly [clientId: string, forget: boolean])[] = [];
  const parts = {
    servers: [{ url: SERVER, clientId: 'own', session: (clientId: string) => ({ clientId }) }],
    store: {
      leases: {
        ...leases,
        asked: (clientId: string) => (clientId === 'own' ? asked$ : NEVER),
        ask: (_clientId: string, request: SessionRequest) => (asked.push(request), EMPTY),
        release: (session: SessionKey, forget: boolean) => {
          released.push([session.clientId, forget]);
          return leases.release(session, forget);
        },
      },
      live: () => EMPTY,
      liveOf: () => EMPTY,
      get: () => EMPTY,
    },
    writer: {},
    board,
    transit: inTransit(),
    told: (promptId: string) => states.changes(promptId),
    stop$: NEVER,
  };
  const its = sessions(parts as unknown as SessionParts, {
    clock: world.clock,
    random: () => 0.5,
    report: () => undefined,
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  });
  const demands: Demand[] = [];
  its.demand$.subscribe((demand) => demands.push(demand));
  const opened: string[] = [];
  const over: string[] = [];
  its.opened$
    .pipe(
      tap(({ clientId }) => opened.push(clientId)),
      mergeMap(({ clientId, end$ }) => end$.pipe(tap(() => over.push(clientId)))),
    )
    .subscribe();
  const begin = (promptId: string, session = 'own'): void => {
    const state = aState({ promptId, clientId: session, serverUrl: SERVER });
    board.take({ tag: 'opened', job: jobOf(state) });
    states.tell(promptId, state);
  };
  const ask = (request: SessionRequest): void => asked$.next(request);
  world.pass(1);
  return { ...world, its, holds, link, begin, ask, asked, demands, released, opened, over };
}

const cancel: SessionJobRequest = { tag: 'cancel', promptId: 'p' };
const report = { tag: 'report', promptId: 'p', report: { count: 1 } } as unknown as SessionJobRequest;

describe('what another instance asks', () => {
  test('of a job that is here is demanded at once', () => {
    const { begin, ask, demands } = ours();
    begin('p');
    ask(cancel);
    ask(report);
    expect(demands).toEqual([cancel, report]);
  });

  test('of a job that is being taken up waits until it is here, a cancel once however often it is asked for', () => {
    const { begin, ask, demands, pass } = ours();
    for (const request of [cancel, report, cancel, report]) ask(request);
    pass(4_000);
    expect(demands).toEqual([]);
    begin('p');
    expect(demands).toEqual([cancel, report, report]);
  });

  test('of a job that does not come in five seconds is dropped; asked again it waits again', () => {
    const { begin, ask, demands, pass } = ours();
    ask(cancel);
    pass(5_000);
    ask(cancel);
    pass(4_999);
    begin('p');
    expect(demands).toEqual([cancel]);
    // None waits any more.
    ask(cancel);
    expect(demands).toEqual([cancel, cancel]);
  });

  test('of a session is demanded as it is', () => {
    const { ask, demands } = ours();
    const evicted: SessionRequest = { tag: 'evicted', clientId: 'own' };
    ask(evicted);
    expect(demands).toEqual([evicted]);
  });
});

test('[R7] a second after a session was lost its successor is told to look at its socket', () => {
  const { link, grant, pass, asked } = ours();
  link.down = true;
  pass(20_000);
  grant(key('own'), 'two');
  link.down = false;
  pass(500);
  expect(asked).toEqual([]);
  pass(1_000);
  expect(asked).toEqual([{ tag: 'evicted', clientId: 'own' }]);
});

test('inherited sessions are given up for good once no job of theirs is left, looked at each half minute', () => {
  const { orphaned, begin, pass, released, opened, over } = ours();
  orphaned(2);
  pass(10_000);
  begin('p', `${SERVER} 0`);
  pass(60_000);
  expect(released).toEqual([[`${SERVER} 1`, true]]);
  expect([[...opened].sort(), over]).toEqual([[`${SERVER} 0`, `${SERVER} 1`, 'own'], [`${SERVER} 1`]]);
});

describe('a session that is held', () => {
  test('[R11] is certain while its lease is, of the next term once it was doubtful, and said to change with it', () => {
    const { its, link, pass } = ours();
    const changes: string[] = [];
    for (const clientId of ['own', 'other']) its.leaseChanged(clientId).subscribe(() => changes.push(clientId));
    const standing = () => [its.lease('own'), its.term('own')];
    expect([standing(), its.lease('other'), its.term('other')]).toEqual([['certain', 0], 'none', 0]);
    link.down = true;
    pass(10_000);
    expect([standing(), changes]).toEqual([['doubtful', 0], []]);
    link.down = false;
    pass(1_000);
    expect(standing()).toEqual(['certain', 1]);
    expect(changes).toEqual(['own']);
  });

  test('is none of ours any more once another has it: its jobs are let go, its socket ends, and new ones get another', () => {
    const { its, link, pass, grant, begin, demands, opened, over } = ours();
    const changes: string[] = [];
    its.leaseChanged('own').subscribe(() => changes.push('own'));
    begin('p');
    link.down = true;
    pass(11_000);
    grant(key('own'), 'two');
    link.down = false;
    pass(1_000);
    expect([its.lease('own'), changes, over]).toEqual(['none', ['own'], ['own']]);
    expect(demands).toEqual([{ tag: 'letGo', promptId: 'p' }]);
    const own = its.own(SERVER);
    expect([own === 'own', its.lease(own), opened]).toEqual([false, 'certain', ['own', own]]);
  });

  test.each([
    ['without jobs is unregistered', false, [['own', true]], 0],
    ['with jobs is registered, in case it never was, and released to be taken', true, [['own', false]], 1],
  ])('and given back %s', (_how, hasJobs, expected, asked) => {
    const { its, begin, released, holds } = ours();
    if (hasJobs) begin('p');
    const before = holds.length;
    let isOver = false;
    its.release().subscribe({ complete: () => (isOver = true) });
    expect([released, holds.length - before, isOver]).toEqual([expected, asked, true]);
  });
});

test('a job is on its way until all are through who had it so', () => {
  const transit = inTransit();
  for (let n = 0; n < 3; n++) transit.enter('p');
  for (let n = 0; n < 2; n++) transit.leave('p');
  expect([transit.has('p'), transit.isEmpty()]).toEqual([true, false]);
  transit.leave('p');
  expect([transit.has('p'), transit.isEmpty()]).toEqual([false, true]);
});
