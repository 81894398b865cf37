import { jobs, scene } from './a-scene';

test('the jobs of sessions held here are claimed, and the sessions of the others made known', () => {
  const { ofAll, look, noted } = scene(jobs, new Set(['held', 'own']));
  expect(look(ofAll())).toEqual(['mine', 'nobodys']);
  expect(noted).toEqual(['theirs']);
});

test('[R17] a second look reads nothing of jobs that are known, here or elsewhere', () => {
  const { ofAll, look, read } = scene(jobs, new Set(['held', 'own']));
  look(ofAll());
  read.length = 0;
  expect(look(ofAll())).toEqual([]);
  expect(read).toEqual([]);
});

test('[R1] what ended here is not claimed until its end was written once more: a failover may have lost it', () => {
  const { ofAll, look, confirming } = scene(jobs, new Set(['held', 'own']));
  confirming.add('mine');
  expect(look(ofAll())).toEqual(['nobodys']);
  confirming.clear();
  expect(look(ofAll())).toEqual(['mine']);
});

test('a job is taken up with its workflow, however long that takes to be read', () => {
  const { of: ofSessions, workflows, clock } = scene(jobs, new Set(['held']));
  workflows.awayFor = 5;
  const claimed: unknown[] = [];
  ofSessions(['held']).subscribe((some) => claimed.push(...some.map(({ workflow }) => workflow?.tag)));
  clock.flush();
  expect(claimed).toEqual(['unposted']);
});

test('only workflows that are not found together are read one by one', () => {
  const { ofAll, look, workflows } = scene(jobs, new Set(['held', 'own']));
  workflows.together = ['mine'];
  expect(look(ofAll())).toEqual(['mine', 'nobodys']);
  expect(workflows.asked).toEqual(['nobodys']);
});

test('a job that was seen elsewhere is claimed by who inherits its session', () => {
  const held = new Set(['held', 'own']);
  const { ofAll, of: ofSessions, look } = scene(jobs, held);
  look(ofAll());
  held.add('theirs');
  expect(look(ofSessions(['theirs']))).toEqual(['theirs']);
});

test('a job that was seen elsewhere is claimed by the next look of who inherits its session, though that lists it no more', () => {
  const held = new Set(['held', 'own']);
  const { ofAll, of: ofSessions, look, unlisted } = scene(jobs, held);
  look(ofAll());
  unlisted.add('theirs');
  held.add('theirs');
  expect(look(ofSessions(['theirs']))).toEqual([]);
  expect(look(ofAll())).toEqual(['theirs']);
});

test('[R11] nor is one that it has lost again meanwhile left alone: a look finds it', () => {
  const held = new Set(['held', 'own']);
  const { ofAll, of: ofSessions, look, onBoard } = scene(jobs, held);
  look(ofAll());
  held.add('theirs');
  look(ofSessions(['theirs']));
  // Another instance had claimed it, and did not hold its session any more.
  onBoard.delete('theirs');
  expect(look(ofAll())).toEqual(['theirs']);
});

test('[R11] nothing is claimed under a lease that may be another instance’s by now', () => {
  const held = new Set(['held', 'own']);
  const { ofAll, of: ofSessions, doubtful, clock } = scene(jobs, held);
  doubtful.add('held');
  const claimed: string[] = [];
  for (const look$ of [ofAll(), ofSessions(['held'])])
    look$.subscribe((some) => claimed.push(...some.map(({ state }) => state.promptId)));
  expect(claimed).toEqual([]);
  clock.schedule(() => {
    doubtful.clear();
    held.delete('held');
  }, 250);
  clock.flush();
  expect(claimed).toEqual(['nobodys']);
});

test('an outage of the store is told of once, however often it is asked in it', () => {
  const { ofAll, look, reports, read, clock } = scene(jobs, new Set(['held', 'own']), 5);
  look(ofAll());
  clock.flush();
  expect(read).toEqual(['mine', 'theirs', 'nobodys']);
  expect(reports).toEqual(['recovery']);
});
