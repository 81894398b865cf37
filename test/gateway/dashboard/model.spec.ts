import { curveOf, figure } from '../../../gateway/dashboard/model/curves';
import { firstImage, linkOf } from '../../../gateway/dashboard/model/files';
import { complaintsByNode, explanationOf } from '../../../gateway/dashboard/model/explanation';
import { fuller, guessedLeftMs, interrupted, recorded, type NodeHistory } from '../../../gateway/wire/node-history';
import { hashOf, placeOf } from '../../../gateway/dashboard/model/place';
import { rowAfter, virtualWindow } from '../../../gateway/dashboard/model/virtual-window';
import { silenceOf } from '../../../gateway/dashboard/model/silence';
import {
  anyJob,
  fitsFields,
  idIn,
  isChosen,
  inOrder,
  standingOf,
  type Wanted,
} from '../../../gateway/dashboard/model/wanted';
import {
  ago,
  detailWords,
  duration,
  leftWords,
  startWords,
  percent,
  statusWords,
  stepWords,
  typeWords,
} from '../../../gateway/dashboard/model/words';
import type { PublicJob } from '../../../gateway/wire/public-job';
import type { CurvePoint } from '../../../streams/reports/curves';
import type { Metrics } from '../../../streams/reports/job-report';

const job = (fields: Partial<PublicJob> = {}): PublicJob => ({
  promptId: 'a',
  type: 'image_generation',
  userId: 'ada',
  status: 'queued',
  progress: 0,
  startedAt: 1000,
  server: 'server-1',
  phase: 'waiting',
  updatedAt: 1000,
  via: 'websocket',
  attempt: 1,
  epoch: 1,
  seq: 1,
  ...fields,
});
const running = (id: string, updatedAt: number, fields: Partial<PublicJob> = {}): PublicJob =>
  job({
    status: 'processing',
    phase: 'running',
    node: { id, type: `Type${id}`, value: 1, max: 4 },
    updatedAt,
    ...fields,
  });

describe('the list', () => {
  test('is in the order of a queue: runs, waits, ended; and a job that starts stays where it is', () => {
    const jobs = [
      job({ promptId: 'old end', status: 'completed', finishedAt: 10 }),
      job({ promptId: 'waits second', startedAt: 30 }),
      job({ promptId: 'runs', status: 'processing', startedAt: 5 }),
      job({ promptId: 'new end', status: 'failed', finishedAt: 20 }),
      job({ promptId: 'waits first', startedAt: 20 }),
    ];
    const order = ['runs', 'waits first', 'waits second', 'new end', 'old end'];
    const ids = (all: readonly PublicJob[]) => [...all].sort(inOrder).map(({ promptId }) => promptId);
    expect(ids(jobs)).toEqual(order);
    expect(
      ids(jobs.map((each) => (each.promptId === 'waits first' ? { ...each, status: 'processing' } : each))),
    ).toEqual(order);
  });

  test('fits by standings, type, user, character, time, and text anywhere', () => {
    const one = job({
      promptId: '4f3c',
      characterId: 'Zelda',
      userId: 'Ada',
      node: { id: '5', type: 'KSampler', value: 0, max: 1 },
      runId: 'b7',
      metadata: { album: 'Hyrule', pages: 12 },
    });
    const yes = [
      { standings: ['waiting'] },
      { standings: ['failed', 'waiting'] },
      { type: 'image_generation' },
      { user: 'Ada' },
      { character: ' Zelda ' },
      { within: '15m' },
      { text: 'zeld' },
      { text: '4F3' },
      { text: ' ksampler ' },
      { text: 'hyrule' },
      { text: 'B7' },
    ] as const;
    const no = [
      { standings: ['running', 'failed'] },
      { type: 'image' },
      { user: 'Ad' },
      { character: 'zelda' },
      { text: 'nowhere' },
      { text: '12' },
    ] as const;
    const fits = (part: Partial<Wanted>, now = 900_000) =>
      isChosen(one, { ...anyJob, ...part }) && fitsFields(one, { ...anyJob, ...part }, now);
    for (const part of yes) expect([part, fits(part)]).toEqual([part, true]);
    for (const part of no) expect([part, fits(part)]).toEqual([part, false]);
    expect(fits({ within: '15m' }, 902_000)).toBe(false);
  });

  test('what was cancelled is no failure', () => {
    const ended = (kind: 'cancelled' | 'node_error') =>
      standingOf(job({ status: 'failed', failure: { kind, message: '', retryable: true } }));
    expect([ended('cancelled'), ended('node_error')]).toEqual(['cancelled', 'failed']);
  });

  test('a whole id is told from other texts', () => {
    expect(idIn(' 00000000-0000-4000-8000-00000000000A ')).toBe('00000000-0000-4000-8000-00000000000A');
    expect(['', '4f3c', 'a knight in red armour, riding', '#/jobs/x'].map(idIn)).toEqual(Array(4).fill(undefined));
  });
});

describe('the address', () => {
  test.each([
    '#/',
    '#/?status=failed,cancelled&type=face_swap&user=a+b&character=c&text=%23%26&within=1h',
    '#/jobs/4f3c',
    '#/jobs/a%20b',
  ])('%s is read as it is written', (hash) => {
    expect(hashOf(placeOf(hash))).toBe(hash);
  });
  test.each([
    '',
    '#',
    '#/nowhere',
    '#/jobs/',
    '#/jobs/%',
    '#/?status=other',
    '#/?within=3d',
    '#/?within=toString',
    '#token=x',
  ])('%p is the whole list', (hash) => {
    expect(placeOf(hash)).toEqual({ tag: 'list', wanted: anyJob });
  });
});

describe('the virtual window', () => {
  const lie = { count: 2000, rowHeight: 50, height: 500 };
  test('has the rows in sight and a few beyond, within the list', () => {
    expect(virtualWindow({ ...lie, top: 0 })).toEqual({ first: 0, end: 14 });
    expect(virtualWindow({ ...lie, top: 5000 })).toEqual({ first: 96, end: 114 });
    expect(virtualWindow({ ...lie, top: 99_500 })).toEqual({ first: 1986, end: 2000 });
    expect(virtualWindow({ ...lie, top: -300 })).toEqual({ first: 0, end: 8 });
    expect(virtualWindow({ ...lie, count: 0, top: 0 })).toEqual({ first: 0, end: 0 });
    expect(virtualWindow({ ...lie, count: 3, top: 9000 })).toEqual({ first: 3, end: 3 });
  });
  test('keys lead to rows, and never out of the list', () => {
    const keys = ['ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', 'Home', 'End', 'x'];
    expect(keys.map((key) => rowAfter(key, 5, lie))).toEqual([6, 4, 14, 0, 0, 1999, undefined]);
    expect(rowAfter('ArrowDown', 1999, lie)).toBe(1999);
    expect(rowAfter('End', 0, { ...lie, count: 0 })).toBeUndefined();
  });
});

describe('nodes over time', () => {
  const history = (...jobs: readonly PublicJob[]): NodeHistory | undefined =>
    jobs.reduce<NodeHistory | undefined>(recorded, undefined);

  test('a job that was seen to wait is known whole: each node from its start to the next one’s', () => {
    const seen = history(
      job(),
      running('1', 2000),
      running('2', 3000),
      running('2', 3500, { node: { id: '2', type: 'Type2', value: 3, max: 4 } }),
      job({ status: 'completed', phase: 'settled', progress: 100, updatedAt: 5000, finishedAt: 4800 }),
    );
    expect(seen).toMatchObject({ began: 2000, missed: { before: false, between: false } });
    expect(seen?.turns).toEqual([
      { id: '1', type: 'Type1', from: 2000, to: 3000, value: 4, max: 4 },
      { id: '2', type: 'Type2', from: 3000, to: 4800, value: 4, max: 4 },
    ]);
  });

  test('one that ran already is not, nor one whose news stopped for a while', () => {
    expect(history(running('2', 3000))).toMatchObject({ missed: { before: true, between: false } });
    expect(interrupted(history(job(), running('1', 1))!).missed).toEqual({ before: false, between: true });
    expect(interrupted(history(job())!).missed.between).toBe(false);
  });

  test('the node that failed is marked, and added where it was not seen', () => {
    const failure = { kind: 'node_error', message: 'no', nodeId: '2', nodeType: 'Type2', retryable: false } as const;
    const end = job({ status: 'failed', phase: 'settled', updatedAt: 4000, finishedAt: 4000, failure });
    expect(history(job(), running('2', 2000), end)?.turns).toEqual([
      { id: '2', type: 'Type2', from: 2000, to: 4000, value: 1, max: 4, failed: true },
    ]);
    expect(history(job(), running('1', 2000), end)?.turns.at(-1)).toMatchObject({ id: '2', failed: true });
  });

  test('of two histories the one with fewer gaps wins, then the longer one; and states that both have count once', () => {
    const own = history(running('2', 3000), running('3', 4000))!;
    const other = history(job(), running('1', 2000), running('2', 3000), running('3', 4000), running('4', 5000))!;
    expect(fuller(undefined, own)).toBe(own);
    expect(fuller(own, other).turns).toHaveLength(4);
    expect(fuller(other, own)).toBe(other);
    expect(fuller(interrupted(other), other)).toMatchObject({ missed: { between: false } });
    expect(recorded(other, running('3', 4000))).toBe(other);
  });

  test('what was seen by looks only has gaps', () => {
    expect(history(job(), running('1', 1, { via: 'polling' }))?.missed.between).toBe(true);
  });

  test('another attempt starts anew, and a loop of thousands is cut', () => {
    expect(history(running('1', 1), running('1', 2, { attempt: 2 }))?.turns).toHaveLength(1);
    const loop = Array.from({ length: 1000 }, (_, n) => running(String(n % 2), n));
    expect(history(job(), ...loop)).toMatchObject({ dropped: 800, missed: { before: false } });
    expect(history(job(), ...loop)?.turns.at(-1)?.from).toBe(999);
  });

  test('the time left is guessed from the pace, once there is one', () => {
    const at = (progress: number, updatedAt: number) => running('1', updatedAt, { progress });
    const guess = (...jobs: readonly PublicJob[]) => guessedLeftMs(history(...jobs)!, jobs.at(-1)!);
    expect(guess(at(10, 0), at(11, 9000))).toBeUndefined();
    expect(guess(at(10, 0), at(30, 1000))).toBeUndefined();
    expect(guess(at(10, 0), at(30, 10_000))).toBe(35_000);
  });
});

describe('silence', () => {
  const line = { gatewaySilentSince: undefined, servers: [], serverSilentSince: new Map<string, number>() };
  const away = { name: 'server-2', healthy: false };
  const other = { name: 'server-1', healthy: false };
  const live = running('1', 5000, { server: 'server-2' });

  test('is since the gateway was lost, whatever else is silent', () => {
    expect(silenceOf(live, { ...line, gatewaySilentSince: 9000, servers: [away] })).toEqual({
      since: 9000,
      why: 'the connection to the gateway is lost',
    });
  });
  test('is since the job’s server does not answer, and not another one', () => {
    const serverSilentSince = new Map([['server-2', 7000]]);
    const silence = { since: 7000, why: 'server-2 does not answer' };
    expect(silenceOf(live, { ...line, servers: [other, away], serverSilentSince })).toEqual(silence);
    expect(silenceOf(live, { ...line, servers: [other, { ...away, healthy: true }] })).toBeUndefined();
    const elsewhere = { ...live, server: 'another server' };
    expect(silenceOf(elsewhere, { ...line, servers: [other, away], serverSilentSince })).toBeUndefined();
  });
  test('is what the job itself says', () => {
    expect(silenceOf({ ...live, server: 'gpu', silentSince: 6000 }, line)).toEqual({
      since: 6000,
      why: 'nothing comes from gpu',
    });
  });
  test('is none of what has ended', () => {
    expect(
      silenceOf(job({ status: 'completed' }), { ...line, gatewaySilentSince: 1, servers: [away] }),
    ).toBeUndefined();
  });
});

describe('failures', () => {
  test('each kind has a reason and a remedy; one that is newer than the page too', () => {
    const kinds = [
      'rejected',
      'node_error',
      'out_of_memory',
      'interrupted',
      'cancelled',
      'lost',
      'unreachable',
      'missing_output',
      'timed_out',
      'internal_error',
      'of tomorrow',
    ];
    const told = kinds.map((kind) => explanationOf({ failure: { kind: kind as never, message: '', retryable: true } }));
    for (const { why, remedy } of told) expect([why, remedy].join(' ').length).toBeGreaterThan(30);
    expect(new Set(told.map(({ title }) => title)).size).toBe(kinds.length);
    expect(told.at(-1)?.why).toContain('of tomorrow');
  });

  test('a refusal that names no node may be a proxy’s', () => {
    const failure = { kind: 'rejected', message: 'HTTP 413', retryable: false } as const;
    const { why, remedy } = explanationOf({ failure });
    expect([why, remedy].join(' ')).toMatch(/proxy.*access or size/s);
    expect(explanationOf({ failure, nodeErrors: [{ nodeId: '5', message: 'no' }] }).title).toBe('Refused by ComfyUI');
  });

  test('of a job that was cancelled while it waited no node is said to have run', () => {
    const cancelled = job({ status: 'failed', failure: { kind: 'cancelled', message: '', retryable: true } });
    expect(detailWords(cancelled)).toBe('while waiting');
    expect(explanationOf(cancelled, true).why).toContain('no node ran');
    expect(detailWords({ ...cancelled, executionStartedAt: 2000, finishedAt: 5000, progress: 3 })).toBe(
      'ran 3.0 s · waited 1.0 s',
    );
  });

  test('complaints are put together by node', () => {
    const nodeErrors = [
      { nodeId: '1', nodeType: 'EmptyImage', input: 'height', message: 'no number' },
      { nodeId: '5', message: 'no such input' },
      { nodeId: '1', input: 'width', message: 'too small' },
    ];
    const failure = { kind: 'rejected', message: 'all of it', nodeId: '1', retryable: false } as const;
    expect(complaintsByNode({ failure, nodeErrors })).toEqual([
      {
        nodeId: '1',
        nodeType: 'EmptyImage',
        complaints: [
          { input: 'height', message: 'no number' },
          { input: 'width', message: 'too small' },
        ],
      },
      { nodeId: '5', complaints: [{ message: 'no such input' }] },
    ]);
  });
});

test('words', () => {
  expect([0, 59_400, 61_000, 600_000, 3_600_000, 3_900_000].map(duration)).toEqual([
    '0 s',
    '59 s',
    '1 min 1 s',
    '10 min',
    '1 h',
    '1 h 5 min',
  ]);
  expect([0, 20_000, 190_000].map((age) => ago(1_000_000 - age, 1_000_000))).toEqual([
    'just now',
    '20 s ago',
    '3 min ago',
  ]);
  expect([0, 99.9, 100].map(percent)).toEqual(['0 %', '99 %', '100 %']);
  expect(['face_swap', 'own_type'].map(typeWords)).toEqual(['Face swap', 'Own type']);
  expect([9000, 2500, 70_000].map((left) => leftWords(left, job(), 3000))).toEqual([
    '~ 7 s left',
    'any moment',
    '~ 2 min left',
  ]);
  expect([6000, 60_000].map((time) => leftWords(2500, job(), time))).toEqual(['any moment', undefined]);
  expect([3000, 6000, 60_000].map((time) => startWords(5000, job(), time))).toEqual([
    'starts in ~ 3 s',
    'starts any moment',
    undefined,
  ]);
  expect(stepWords(running('1', 0, { node: { id: '1', type: 'K', value: 12.5, max: 20 } }))).toBe('12 / 20');
  expect(
    [undefined, 0, 1, 3].map((queuePosition) =>
      detailWords(job({ ...(queuePosition !== undefined && { queuePosition }) })),
    ),
  ).toEqual(['', 'next in line', '1 job ahead', '3 jobs ahead']);
});

test('waiting and running are told apart', () => {
  const done = job({ status: 'completed', startedAt: 1000, executionStartedAt: 20_000, finishedAt: 20_500 });
  expect(detailWords(done)).toBe('ran 0.5 s · waited 19 s');
  // Earlier runs are in that time too.
  expect(detailWords({ ...done, attempt: 2 })).toBe('ran 0.5 s');
  expect(detailWords({ ...done, executionStartedAt: 1010 })).toBe('ran 19 s');
  const { executionStartedAt: _, ...unknown } = done;
  expect(detailWords(unknown)).toBe('20 s with its waiting');
});

test('a job that runs in part says so until it has failed', () => {
  const nodeErrors = [{ nodeId: '1', message: 'no' }];
  expect(statusWords(job({ status: 'processing', nodeErrors }))).toBe('Running in part');
  expect(statusWords(job({ status: 'completed', nodeErrors }))).toBe('Completed in part');
  expect(statusWords(job({ status: 'failed', nodeErrors }))).toBe('Failed');
});

test('a metric is a line within its box, and words', () => {
  const points = [0.4, 0.2, 0.3].map((loss, n) => ({ at: 1000 * n, metrics: { loss } }));
  expect(curveOf('loss', 0.3, points)).toEqual({
    ...{ name: 'loss', newest: '0.3', line: '0.0,0.0 50.0,30.0 100.0,15.0' },
    words: 'from 0.4 · lowest 0.2 · highest 0.4',
  });
  expect(curveOf('loss', 0.4, points.slice(0, 1))).toMatchObject({ line: '', words: '' });
  expect(curveOf('lr', 1, points)).toMatchObject({ newest: '1', line: '' });
  const of = (...values: readonly number[]) =>
    curveOf(
      'x',
      values.at(-1)!,
      values.map((x, at) => ({ at, metrics: { x } })),
    ).line;
  expect(of(7, 7)).toBe('0.0,15.0 100.0,15.0');
  expect(of(-1.7e308, 1.7e308)).toBe('0.0,30.0 100.0,0.0');
  expect([0.083123, 1e-7, 12_345, 0].map(figure)).toEqual(['0.08312', '1e-7', '12350', '0']);
});

test('what is called as every object’s own things is told as any other', () => {
  const points: readonly CurvePoint[] = [
    { at: 1, metrics: { loss: 1 } },
    { at: 2, metrics: JSON.parse('{"constructor":0.5}') as Metrics },
  ];
  expect(curveOf('constructor', 0.5, points)).toEqual({ name: 'constructor', newest: '0.5', line: '', words: '' });
  expect(['constructor', 'toString'].map(typeWords)).toEqual(['Constructor', 'ToString']);
  const failure = { kind: 'constructor' as 'lost', message: 'no', retryable: true };
  expect(explanationOf({ failure })).toMatchObject({ title: 'Failed', why: 'It failed (constructor).' });
});

test('[R13] a browser is sent to http and https alone, and no picture is fetched that the gateway does not have', () => {
  const output = { nodeId: 'report', kind: 'files', filename: 'a.png', subfolder: '', type: 'reported' };
  expect(linkOf({ ...output, url: 'https://files.example/a.png' })?.host).toBe('files.example');
  for (const url of ['javascript:alert(1)', 'data:text/html,x', '//files.example/a', 'a.png'])
    expect(linkOf({ ...output, url })).toBeUndefined();
  expect(linkOf(output)).toBeUndefined();
  expect(firstImage([output, { ...output, type: 'output' }])).toBe(1);
});

test('of a job that reports itself, nothing is said of nodes or servers', () => {
  const reported = { silentMs: 1, count: 1, heardAt: 1 };
  const live = { status: 'processing', phase: 'loading', via: 'report', reported } as const;
  expect(detailWords(job({ ...live, stage: 'caching latents' }))).toBe('caching latents');
  expect(detailWords(job(live))).toBe('');
  for (const kind of ['node_error', 'out_of_memory', 'interrupted', 'missing_output', 'timed_out'] as const) {
    const failure = { kind, message: 'no', retryable: true };
    const { title, why, remedy } = explanationOf(job({ status: 'failed', failure, reported }));
    expect([kind, `${title} ${why} ${remedy}`]).not.toEqual([kind, expect.stringMatching(/node|ComfyUI|server/i)]);
  }
});
