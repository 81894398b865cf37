import { Subject } from 'rxjs';
import { opening, type OpeningParts } from '../../../pipeline/reports/opening';
import type { OpenRequest } from '../../../pipeline/api';
import type { NewJob } from '../../../pipeline/submit/beginnings';

const SILENT_MS = 300_000;

/** What is begun where a job is opened. */
function anOpening() {
  const ready$ = new Subject<never>();
  const begun: NewJob[] = [];
  const parts = {
    sessions: { own: (url: string) => `of ${url}`, ready: () => ready$ },
    beginnings: { begin: (job: NewJob) => Promise.resolve(begun.push(job)) },
    timeoutMs: (type: string) => (type === 'lora_training' ? undefined : 5_000),
  };
  const open = opening(parts as unknown as OpeningParts);
  const opened = async (request: OpenRequest) => {
    const answer = open(request);
    ready$.complete();
    await answer;
    const job = begun.at(-1)!;
    return { ...job.stateOf({ promptId: 'p', at: 1_000 }, 7_000), bytes: job.bytes, nodes: job.nodes() };
  };
  return { open, opened, begun, ready$ };
}

const training = { type: 'lora_training', userId: 'ada' };

test('a job is opened as it was asked for, under this instance’s session, and takes no room of workflows', async () => {
  const { opened } = anOpening();
  expect(await opened({ ...training, reported: { steps: 100, silentMs: 60_000 } })).toMatchObject({
    promptId: 'p',
    session: 'of reported:self',
    via: 'report',
    reported: { steps: 100, silentMs: 60_000, count: 0, heardAt: 7_000 },
    ...{ bytes: 0, nodes: 0 },
  });
  expect((await opened(training)).reported).toStrictEqual({ silentMs: SILENT_MS, count: 0, heardAt: 7_000 });
});

test('its time is its own, else the pipeline’s for its type, from when it begins', async () => {
  const { opened } = anOpening();
  expect(await opened(training)).not.toHaveProperty('deadlineAt');
  expect(await opened({ ...training, type: 'face_swap' })).toHaveProperty('deadlineAt', 12_000);
  expect(await opened({ ...training, type: 'face_swap', timeoutMs: 9_000 })).toHaveProperty('deadlineAt', 16_000);
});

test('none is stored before this instance holds its session: another would take it', async () => {
  const { open, begun, ready$ } = anOpening();
  const answer = open(training);
  await new Promise(setImmediate);
  expect(begun).toEqual([]);
  ready$.complete();
  await answer;
  expect(begun).toHaveLength(1);
});
