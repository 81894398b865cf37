import { lastValueFrom, of } from 'rxjs';
import { RememberedKeys, type RememberedKeysParts } from '../../../pipeline/submit/remembered-keys';
import { bounds } from '../../../streams/bounds';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';

/** Keys of jobs that live here, or are on their way. */
function aMemory() {
  const here = new Set<string>();
  const onTheWay = new Set<string>();
  const reserved: unknown[] = [];
  const ends = new Map<string, JobState>();
  const waiting = new Map<string, JobState>();
  const parts = {
    board: { job: (promptId: string) => (here.has(promptId) ? {} : undefined) },
    transit: onTheWay,
    writer: {
      waiting: (promptId: string) => waiting.get(promptId),
      ends: { of: (promptId: string) => ends.get(promptId) },
    },
    store: {
      reserve: (key: string, text: string) => {
        reserved.push([key, JSON.parse(text)]);
        return of(text);
      },
    },
  };
  const keys = new RememberedKeys(parts as unknown as RememberedKeysParts, { report: () => undefined });
  return { keys, here, onTheWay, reserved, ends, waiting };
}

const held = (promptId: string) => ({ promptId, at: 1, body: 'digest' });

test('a key stands for its job while that lives here or is on its way', () => {
  const { keys, here, onTheWay } = aMemory();
  keys.note('k', { ...held('job'), job: aState() });
  expect(keys.of('k')).toBeUndefined();
  onTheWay.add('job');
  expect(keys.of('k')).toEqual(held('job'));
  onTheWay.clear();
  here.add('job');
  expect(keys.of('k')).toEqual(held('job'));
  keys.forget('job');
  expect(keys.of('k')).toBeUndefined();
});

test('a job’s key is reserved again with the job as it is; one without a key costs nothing', async () => {
  const { keys, reserved } = aMemory();
  keys.note('k', held('job'));
  const job = aState({ promptId: 'job' });
  for (const state of [job, aState({ promptId: 'other' })])
    await lastValueFrom(keys.renewed(state), { defaultValue: undefined });
  expect(reserved).toEqual([['k', { ...held('job'), job }]]);
});

test('the newest are remembered', () => {
  const { keys, here } = aMemory();
  for (let n = 0; n <= bounds.keys + 1; n++) keys.note(`k${n}`, held(`job-${n}`));
  for (const promptId of ['job-0', 'job-1', 'job-2']) here.add(promptId);
  expect([keys.of('k0'), keys.of('k1')]).toEqual([undefined, undefined]);
  expect(keys.of('k2')).toEqual(held('job-2'));
});

test('a job’s key stands for its end while that is kept, and the last thousand push out no living job’s', async () => {
  const { keys, here, ends, reserved } = aMemory();
  keys.note('lives', held('lives'));
  here.add('lives');
  const ids = Array.from({ length: bounds.keptEnds + 1 }, (_, n) => `job-${n}`);
  for (const promptId of ids) {
    keys.note(`k-${promptId}`, held(promptId));
    keys.end(promptId);
    ends.set(promptId, aState({ promptId, status: 'completed' }));
  }
  const [job] = keys.ended();
  expect([keys.ended().length, job?.promptId]).toEqual([bounds.keptEnds, 'job-1']);
  expect(keys.of('k-job-1')).toEqual({ ...held('job-1'), job });
  keys.note('k-job-1', held('job-1'));
  await lastValueFrom(keys.renewed(job!), { defaultValue: undefined });
  expect(reserved).toEqual([['k-job-1', { ...held('job-1'), job }]]);
  ends.delete('job-1');
  expect([keys.of('k-job-0'), keys.of('k-job-1')]).toEqual([undefined, undefined]);
  expect(keys.of('lives')).toEqual(held('lives'));
});

test('a key stands for an end that waits to be written', () => {
  const { keys, waiting } = aMemory();
  keys.note('k', held('job'));
  keys.end('job');
  const job = aState({ promptId: 'job', status: 'completed' });
  waiting.set('job', job);
  expect([keys.of('k'), keys.ended()]).toEqual([{ ...held('job'), job }, [job]]);
});

test('a key that stands for another job by now is that one’s, whatever becomes of the job before', () => {
  for (const leaves of ['forget', 'end'] as const) {
    const { keys, here } = aMemory();
    keys.note('k', held('before'));
    keys.note('k', held('now'));
    here.add('now');
    keys[leaves]('before');
    keys.forget('before');
    expect(keys.of('k')).toEqual(held('now'));
  }
});

test('of an ended job whose key another instance has nothing is reserved', async () => {
  const { keys, ends, reserved } = aMemory();
  keys.note('k', held('job'));
  keys.end('job');
  const job = aState({ promptId: 'job', status: 'completed' });
  ends.set('job', job);
  keys.forget('job');
  await lastValueFrom(keys.renewed(job), { defaultValue: undefined });
  expect([keys.of('k'), keys.ended(), reserved]).toEqual([undefined, [], []]);
});
