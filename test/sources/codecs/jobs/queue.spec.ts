import { historyIdsOf } from '../../../../sources/codecs/history.codec';
import { endedListOf, jobListOf, queueOf } from '../../../../sources/codecs/jobs.codec';
import { bounds } from '../../../../streams/bounds';

describe('/queue', () => {
  const workflow = {
    '1': { class_type: 'EmptyImage', inputs: {} },
    '2': { class_type: 'SaveImage', inputs: { images: ['1', 0] } },
  };
  const entry = (number: number, id: string) => [number, id, workflow, { client_id: 'c', mark: id }, ['2'], {}];

  test('is read in the order in which it runs', () => {
    const queue = queueOf({
      queue_running: [entry(9, 'a')],
      queue_pending: [entry(12, 'd'), entry(-3, 'b'), entry(10, 'c')],
    });
    expect(queue?.map(({ promptId, running }) => [promptId, running])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
      ['d', false],
    ]);
  });

  test('tells each job’s workflow, its outputs and what it was posted with', () => {
    const [job] = queueOf({ queue_running: [entry(9, 'a')], queue_pending: [] }) ?? [];
    expect(job).toMatchObject({ promptId: 'a', targets: ['2'], extraData: { client_id: 'c', mark: 'a' } });
    expect(job?.graph?.get('2')).toMatchObject({ type: 'SaveImage', inputs: ['1'] });
  });

  test('[R16] of more jobs than may be listed cannot be read, whichever route tells of them', () => {
    const ids = Array.from({ length: bounds.listedJobs + 1 }, (_, n) => `${n}`);
    const told = (some: readonly string[]) => [
      queueOf({ queue_running: [], queue_pending: some.map((id) => entry(1, id)) })?.length,
      jobListOf({ jobs: some.map((id) => ({ id, status: 'pending' })) })?.length,
      endedListOf({ jobs: some.map((id) => ({ id })), pagination: { has_more: false } })?.ids.size,
      historyIdsOf(Object.fromEntries(some.map((id) => [id, { outputs: {}, status: {} }])), 'mark', 32)?.ids.size,
    ];
    expect(told(ids.slice(1))).toEqual(Array(4).fill(bounds.listedJobs));
    expect(told(ids)).toEqual(Array(4).fill(undefined));
  });

  test('may be empty', () => {
    expect(queueOf({ queue_running: [], queue_pending: [] })).toEqual([]);
  });

  test.each([
    null,
    undefined,
    [],
    {},
    'queue',
    { queue_running: [] },
    { queue_running: {}, queue_pending: [] },
    { exec_info: { queue_remaining: 1 } },
  ])('[R4] that cannot be read is no answer: %j', (json) => {
    expect(queueOf(json)).toBeUndefined();
  });

  test.each([[null], [[]], [[1]], [[1, null, {}, {}, []]], [[1, ['a'], {}, {}, []]], [{ prompt_id: 'a' }]])(
    '[R4] that holds %j may hold any job, so it is no answer',
    (odd) => {
      expect(queueOf({ queue_running: [odd], queue_pending: [entry(1, 'b')] })).toBeUndefined();
    },
  );

  test.each([
    [[1, 'a', null, null, null], 1],
    [[1, 'a'], 1],
    [['1', 'a', 7, 8, 9, 10, 11], 0],
  ])('whose jobs say less, or more, than they might is read as far as it goes: %j', (odd, number) => {
    expect(queueOf({ queue_running: [odd], queue_pending: [] })).toEqual([
      { promptId: 'a', number, running: true, graph: new Map(), nodes: 0, extraData: {} },
    ]);
  });

  test('may have numbers for ids', () => {
    expect(queueOf({ queue_running: [[1, 4711, {}, {}, []]], queue_pending: [] })).toMatchObject([
      { promptId: '4711' },
    ]);
  });
});
