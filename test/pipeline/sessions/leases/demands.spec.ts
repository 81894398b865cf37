import { inTransit } from '../../../../pipeline/sessions/transit';
import type { SessionJobRequest, SessionRequest } from '../../../../sinks/leases';
import { key, SERVER } from './a-world';
import { ours as instance } from './ours';

/** One that has begun. */
function ours() {
  const its = instance();
  its.pass(1);
  return its;
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
    for (const request of [report, cancel, report, cancel]) ask(request);
    pass(4_000);
    expect(demands).toEqual([]);
    begin('p');
    expect(demands).toEqual([report, cancel, report]);
  });

  test('of a job that does not come in five seconds is dropped; asked again it waits again', () => {
    const { begin, ask, demands, pass } = ours();
    ask(report);
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
