import { Subject, VirtualTimeScheduler, ignoreElements, timer } from 'rxjs';
import { endStored } from '../../../../pipeline/instance/end-stored';
import type { Change } from '../../../../streams/board/board';
import { aState } from '../../../streams/job/a-job';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { jobKey } from '../../../../sinks/job-store';
import type { JobState } from '../../../../streams/job/job-state';
import { sharedRedis } from '../../../support/redis/shared-redis';
import { steps } from '../../../support/comfyui/workflows';
import { inWorld, type Followed } from '../../../system/outages/world';

const redis = sharedRedis();

/** Runs a job whose writes Redis holds up for so long while it runs; resolves with what is stored when its end is told. */
function heldUp(ms: number): Promise<string> {
  let stored = '';
  const storedStatus = async (promptId: string): Promise<string> =>
    (JSON.parse((await redis.admin.get(jobKey(promptId))) ?? '{}') as Partial<JobState>).status ?? 'none';
  const ended = async ({ promptId, end }: Followed): Promise<void> => {
    await end;
    stored = await storedStatus(promptId);
  };
  const store = redisStore({ url: redis.server.url, report: () => 'as wanted', commandTimeoutMs: 60_000 });
  return inWorld('0.33.0', { pipeline: { store } }, async ({ run, comfy }) => {
    comfy.faults.mostSteps = 5;
    const job = await run(steps({ steps: 10 }));
    await job.where(({ node }) => (node?.value ?? 0) > 0);
    await redis.admin.call('CLIENT', 'PAUSE', ms, 'WRITE');
    comfy.faults.mostSteps = Infinity;
    await ended(job);
    await redis.admin.call('CLIENT', 'UNPAUSE');
  }).then(() => stored);
}

test('[R1] an end is told once it is stored: who is killed in between has told nobody', async () => {
  expect(await heldUp(400)).toBe('completed');
});

test('[R12] a store that takes no write for long holds up no end', async () => {
  expect(await heldUp(600_000)).toBe('processing');
});

describe('on virtual time', () => {
  const end = aState({ status: 'failed', phase: 'settled' });
  const told: Change = { tag: 'state', state: end };

  /** What is told of a change, when, where the store takes an end after so long; `refused` is refused at 500 ms. */
  function tellings(change: Change, storedMs: number, refused?: JobState) {
    const clock = new VirtualTimeScheduler();
    const refused$ = new Subject<JobState>();
    const stop$ = new Subject<void>();
    const puts: JobState[] = [];
    const seen: [at: number, change: Change][] = [];
    const writer = {
      put: (state: JobState) => void puts.push(state),
      stored: () => timer(storedMs, clock).pipe(ignoreElements()),
    };
    endStored(change, { writer, refused$, stop$ }, clock).subscribe((each) => seen.push([clock.now(), each]));
    if (refused !== undefined) clock.schedule(() => refused$.next(refused), 500);
    clock.flush();
    return { seen, puts };
  }

  test('an end is told once it is stored, or after a second', () => {
    expect(tellings(told, 300)).toEqual({ seen: [[300, told]], puts: [end] });
    expect(tellings(told, 5_000)).toEqual({ seen: [[1_000, told]], puts: [end] });
  });

  test('what is no end is told at once, and not written here', () => {
    const goesOn: Change = { tag: 'state', state: aState() };
    const released: Change = { tag: 'released', promptId: 'job-1' };
    for (const change of [goesOn, released]) expect(tellings(change, 300)).toEqual({ seen: [[0, change]], puts: [] });
  });

  test('[R1] an end that is refused is not told: its job is let go; the refusal of an earlier state is none of it', () => {
    expect(tellings(told, 5_000, end).seen).toEqual([[500, { tag: 'released', promptId: end.promptId }]]);
    expect(tellings(told, 5_000, aState()).seen).toEqual([[1_000, told]]);
  });
});
