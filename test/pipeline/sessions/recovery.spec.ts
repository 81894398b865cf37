import { EMPTY, defer, from, of, throwError, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { recovery } from '../../../pipeline/sessions/recovery';
import { inTransit } from '../../../pipeline/sessions/transit';
import type { SessionKey } from '../../../sinks/leases';
import { StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import type { StoredWorkflow } from '../../../sinks/codecs/stored-workflow.codec';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';

const unposted: StoredWorkflow = { tag: 'unposted', prompt: { workflow: '{}' } };

/** A store that notes which states were read and which sessions were made known. */
function scene(states: readonly JobState[], held: ReadonlySet<string>, awayFor = 0) {
  const clock = new TestScheduler(() => true);
  const read: string[] = [];
  const noted: string[] = [];
  const reports: string[] = [];
  let asked = 0;
  const onBoard = new Set<string>();
  /** Jobs that ended here, whose end may have been lost. */
  const confirming = new Set<string>();
  const workflows = { awayFor: 0, together: [] as readonly string[], asked: [] as string[] };
  /** Sessions whose lists of jobs were lost. */
  const unlisted = new Set<string>();
  /** Sessions that may be another instance's by now. */
  const doubtful = new Set<string>();
  const reading = (some: readonly JobState[], isKnown: (id: string) => boolean = () => false): Observable<JobState> => {
    const unknown = some.filter(({ promptId }) => !isKnown(promptId));
    read.push(...unknown.map(({ promptId }) => promptId));
    return from(unknown);
  };
  const store = {
    live: (isKnown) =>
      defer(() =>
        asked++ < awayFor ? throwError(() => new StoreUnavailable('the store is away')) : reading(states, isKnown),
      ),
    liveOf: (clientId, isKnown) =>
      reading(
        states.filter((state) => state.clientId === clientId && !unlisted.has(clientId)),
        isKnown,
      ),
    workflow: (promptId) =>
      defer(() =>
        workflows.awayFor-- > 0
          ? throwError(() => new StoreUnavailable('the store is away'))
          : (workflows.asked.push(promptId), of(unposted)),
      ),
    workflows: (promptIds) =>
      defer(() => {
        if (workflows.awayFor > 0) throw new StoreUnavailable('the store is away');
        return of(new Map(promptIds.filter((id) => workflows.together.includes(id)).map((id) => [id, unposted])));
      }),
    refile: () => EMPTY,
    leases: { note: ({ clientId }: SessionKey) => (noted.push(clientId), EMPTY) },
  } as Pick<JobStore, 'live' | 'liveOf' | 'workflow' | 'workflows' | 'refile'> as JobStore;
  const looks = recovery(
    {
      store,
      writer: {
        write: () => of('stored'),
        waiting: () => undefined,
        ends: {
          of: (promptId) => (confirming.has(promptId) ? aState({ promptId }) : undefined),
          again: () => undefined,
        },
      },
      board: { job: (promptId: string) => (onBoard.has(promptId) ? ({} as never) : undefined) },
      transit: inTransit(),
      isServed: () => true,
      isHeld: (clientId) => held.has(clientId),
      isCertain: (clientId) => !doubtful.has(clientId),
      own: () => 'own',
    },
    {
      clock,
      random: () => 0.5,
      report: (where) => void reports.push(where),
      backoff: { steadyMs: 0, delayMs: () => 100 },
    },
  );
  const look = (look$: ReturnType<typeof looks.ofAll>): readonly string[] => {
    const claimed: string[] = [];
    look$.subscribe((jobs) => claimed.push(...jobs.map(({ state }) => state.promptId)));
    claimed.forEach((promptId) => onBoard.add(promptId));
    return claimed;
  };
  return {
    ofAll: () => looks.ofAll(),
    of: (clientIds: readonly string[]) => looks.of(clientIds),
    look,
    read,
    noted,
    reports,
    clock,
    confirming,
    workflows,
    doubtful,
    unlisted,
    onBoard,
  };
}

const jobs = [
  aState({ promptId: 'mine', clientId: 'held' }),
  aState({ promptId: 'theirs', clientId: 'theirs' }),
  aState({ promptId: 'nobodys', clientId: 'own' }),
];

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
