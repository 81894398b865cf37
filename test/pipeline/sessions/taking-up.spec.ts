import { NEVER, Subject, of, throwError } from 'rxjs';
import { RecoveredJobs } from '../../../pipeline/sessions/recovered-jobs';
import { StoreUnavailable } from '../../../sinks/job-store';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../streams/job/a-job';
import { key, SERVER } from './leases/a-world';
import { ours } from './leases/ours';

const HOUR_MS = 3_600_000;

const stored = (promptId: string, session?: string, serverUrl = SERVER): JobState =>
  aState({ promptId, serverUrl, ...(session !== undefined && { clientId: session, session }) });
/** A job that was stored and never posted. */
const unposted = (promptId: string): JobState => {
  const { clientId: _, ...state } = stored(promptId);
  return state;
};
const away = () => throwError(() => new StoreUnavailable('away'));

describe('jobs of no session that anybody holds are taken up', () => {
  test('at the start, once our sessions are leased', () => {
    const { pass, takenUp } = ours({ stored: [unposted('p')], answerMs: 100 });
    pass(90);
    expect(takenUp()).toEqual([]);
    pass(200);
    expect(takenUp()).toEqual(['p']);
  });

  test('each ten seconds: who lost its lease may post some later', () => {
    const jobs: JobState[] = [];
    const { pass, takenUp } = ours({ stored: jobs });
    pass(1);
    jobs.push(unposted('late'));
    pass(9_998);
    expect(takenUp()).toEqual([]);
    pass(1);
    expect(takenUp()).toEqual(['late']);
  });

  test('as soon as another gives its sessions back: it has stored them before', () => {
    const jobs: JobState[] = [];
    const { instance, grant, pass, takenUp } = ours({ stored: jobs });
    grant(key('theirs'), 'two');
    pass(1);
    jobs.push(unposted('left'));
    instance('two').leases.release(key('theirs'), false).subscribe();
    expect(takenUp()).toEqual(['left']);
  });

  test('not after the stop, when no session is held any longer', () => {
    const jobs: JobState[] = [];
    const { pass, stop$, takenUp, its, holds } = ours({ stored: jobs });
    pass(1);
    let isOver = false;
    its.recovered$.subscribe({ complete: () => (isOver = true) });
    stop$.next();
    jobs.push(unposted('late'));
    const before = holds.length;
    pass(60_000);
    expect([takenUp(), isOver, holds.length - before]).toEqual([[], true, 0]);
  });
});

describe('a session that was inherited', () => {
  test('has its jobs taken up at once, which is told, to who asks late too', () => {
    const { orphaned, pass, its, takenUp } = ours({ stored: [stored('p', `${SERVER} 0`)] });
    orphaned(1);
    pass(100);
    expect(takenUp()).toEqual(['p']);
    const batches: unknown[] = [];
    its.recovered$.subscribe((jobs) => batches.push(jobs.map(({ promptId }) => promptId)));
    expect(batches).toEqual([['p']]);
  });

  test('is not given up before its jobs are read, nor while any is on its way', () => {
    const { orphaned, pass, parts, released } = ours();
    const reading$ = new Subject<JobState>();
    parts.store.liveOf = () => reading$;
    orphaned(1);
    pass(70_000);
    expect(released).toEqual([]);
    reading$.complete();
    parts.transit.enter('another');
    pass(60_000);
    expect(released).toEqual([]);
    parts.transit.leave('another');
    pass(30_000);
    expect(released).toEqual([[`${SERVER} 0`, true]]);
  });

  test('again is not given up before its jobs are read again', () => {
    const { orphaned, instance, grant, pass, link, parts, released, over, opened } = ours();
    orphaned(1);
    pass(5_000);
    link.down = true;
    pass(20_000);
    grant(key(`${SERVER} 0`), 'two');
    link.down = false;
    pass(1_000);
    expect(over).toEqual([`${SERVER} 0`]);
    parts.store.liveOf = () => NEVER;
    instance('two')
      .leases.release(key(`${SERVER} 0`))
      .subscribe();
    pass(60_000);
    expect([opened.filter((id) => id !== 'own').length, released]).toEqual([2, []]);
  });

  test('on a server that is not ours gets no socket, and its jobs are taken up to be ended', () => {
    const url = 'http://elsewhere';
    const { orphaned, pass, opened, takenUp, mistake } = ours({ stored: [stored('p', `${url} 0`, url)] });
    orphaned(1, url);
    pass(HOUR_MS + 60_000);
    expect([opened, takenUp(), mistake()]).toEqual([['own'], ['p'], undefined]);
  });

  test('ends alone where another takes it: the others’ sockets stay, and their leases stand', () => {
    const { orphaned, pass, grant, link, over, its } = ours();
    orphaned(2);
    pass(5_000);
    const changed: string[] = [];
    link.down = true;
    pass(20_000);
    its.leaseChanged('own').subscribe(() => changed.push('own'));
    grant(key(`${SERVER} 0`), 'two');
    link.down = false;
    pass(550);
    expect(over).toEqual([`${SERVER} 0`]);
    expect([changed, its.lease('own')]).toEqual([['own'], 'certain']);
  });
});

test('[R12] a store that is away while a session is given up, or lost, ends nothing', () => {
  const { orphaned, pass, grant, link, parts, reports, mistake, demands } = ours();
  parts.store.leases.release = () => away();
  orphaned(1);
  pass(31_000);
  expect([reports, mistake()]).toEqual([[expect.any(StoreUnavailable)], undefined]);
  parts.store.leases.ask = () => away();
  link.down = true;
  pass(20_000);
  grant(key('own'), 'two');
  link.down = false;
  reports.length = 0;
  pass(2_000);
  expect([reports, mistake(), demands]).toEqual([[expect.any(StoreUnavailable)], undefined, []]);
});

test('[R12] a store that goes away between the sight of an orphan and its lease ends nothing: it is taken later', () => {
  const { orphaned, pass, parts, reports, mistake, opened } = ours();
  const hold = parts.store.leases.hold.bind(parts.store.leases);
  parts.store.leases.hold = (session) => (session.clientId === 'own' ? hold(session) : away());
  orphaned(1);
  pass(5_000);
  expect([reports, mistake(), opened]).toEqual([[expect.any(StoreUnavailable)], undefined, ['own']]);
  parts.store.leases.hold = hold;
  pass(10_000);
  expect(opened).toEqual(['own', `${SERVER} 0`]);
});

test('[R12] sessions are given back one by one, whichever of them the store does not take', () => {
  const { pass, parts, reports, its } = ours();
  pass(1);
  parts.store.leases.release = () => away();
  let end: unknown;
  its.release().subscribe({ error: () => (end = 'error'), complete: () => (end = 'complete') });
  expect([end, reports]).toEqual(['complete', [expect.any(StoreUnavailable)]]);
});

describe('a job may be stored', () => {
  const readiness = (its: ReturnType<typeof ours>) => {
    const told: string[] = [];
    its.its.ready().subscribe({ complete: () => told.push(`at ${its.clock.now()}`) });
    return told;
  };

  test('once our sessions are leased', () => {
    const its = ours({ answerMs: 700 });
    const told = readiness(its);
    its.pass(1_000);
    expect(told).toEqual(['at 700']);
    expect(readiness(its)).toEqual(['at 1000']);
  });

  test('[R12] also once the store did not answer, or when all ends', () => {
    const its = ours();
    its.link.down = true;
    const told = readiness(its);
    its.pass(1);
    expect(told).toEqual(['at 0']);
    const other = ours({ answerMs: 5_000 });
    const end = readiness(other);
    other.stop$.next();
    expect(end).toEqual(['at 0']);
  });

  test('not because another has ours: once the new one in its place is leased', () => {
    const its = ours({ answerMs: 300 });
    its.grant(key('own'), 'two');
    const told = readiness(its);
    its.pass(2_000);
    expect(told).toEqual(['at 600']);
  });

  test('not while one that another took is replaced by a new one, whose lease was not answered', () => {
    const its = ours();
    its.pass(1);
    its.link.down = true;
    its.pass(11_000);
    its.grant(key('own'), 'two');
    its.link.down = false;
    its.link.answerMs = 300;
    while (its.over.length === 0) its.pass(10);
    const told = readiness(its);
    expect(told).toEqual([]);
    its.pass(1_000);
    expect(told).toHaveLength(1);
  });
});

test('a session counts as read while it is held, and no longer', () => {
  const held = new Set(['one', 'other']);
  const jobs = new RecoveredJobs({ of: () => of([]), ofAll: () => of([]) }, (clientId) => held.has(clientId));
  held.delete('other');
  jobs.of(['one', 'other']).subscribe();
  const loaded = () => ['one', 'other'].map((clientId) => jobs.isLoaded(clientId));
  expect(loaded()).toEqual([true, false]);
  jobs.forget('one');
  expect(loaded()).toEqual([false, false]);
  const batches: unknown[] = [];
  jobs.batch$.subscribe((batch) => batches.push(batch));
  expect(batches).toEqual([]);
});
