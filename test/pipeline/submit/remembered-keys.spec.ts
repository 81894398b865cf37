import { lastValueFrom, of } from 'rxjs';
import { RememberedKeys, type RememberedKeysParts } from '../../../pipeline/submit/remembered-keys';
import { bounds } from '../../../streams/bounds';
import { aState } from '../../sinks/a-state';

/** Keys of jobs that live here, or are on their way. */
function aMemory() {
  const here = new Set<string>();
  const onTheWay = new Set<string>();
  const reserved: unknown[] = [];
  const parts = {
    board: { job: (promptId: string) => (here.has(promptId) ? {} : undefined) },
    transit: onTheWay,
    store: {
      reserve: (key: string, text: string) => {
        reserved.push([key, JSON.parse(text)]);
        return of(text);
      },
    },
  };
  const keys = new RememberedKeys(parts as unknown as RememberedKeysParts, { report: () => undefined });
  return { keys, here, onTheWay, reserved };
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
