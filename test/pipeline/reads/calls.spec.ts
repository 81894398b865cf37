import { EMPTY, NEVER, VirtualTimeScheduler, concat, lastValueFrom, of, throwError, toArray } from 'rxjs';
import type { InputUpload } from '../../../pipeline/api';
import { callsOf, type CallParts } from '../../../pipeline/instance/calls';
import { StoreUnavailable } from '../../../sinks/job-store';
import { jobBoard } from '../../../streams/board/board';
import { jobOf } from '../../../streams/job/job';
import type { JobOutput, JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import { aState } from '../../streams/job/a-job';

interface Given {
  readonly here?: readonly JobState[];
  readonly waiting?: readonly JobState[];
  readonly stored?: readonly JobState[];
  readonly isAway?: boolean;
  readonly healthy?: readonly string[];
  readonly outputs?: readonly JobOutput[];
}

/** The calls of an instance with the servers `a` and `b`, and such jobs here and in its store. */
function anInstance({ here = [], waiting = [], stored = [], isAway = false, healthy = [], outputs = [] }: Given) {
  const board = jobBoard(defaultTiming);
  for (const state of here) board.take({ tag: 'opened', job: jobOf(state) });
  const reports: unknown[] = [];
  const servers = ['a', 'b'].map((name) => ({
    name,
    url: `http://${name}`,
    upload: () => Promise.resolve({ filename: 'f', subfolder: '' }),
    view: (file: { readonly filename: string }) => `${file.filename} of ${name}`,
  }));
  const away$ = throwError(() => new StoreUnavailable('away'));
  const parts = {
    board,
    choice: {
      servers,
      isHealthy: ({ name }: { readonly name: string }) => healthy.includes(name),
      of: (url: string) => servers.find((server) => server.url === url),
      asked: (name: string | undefined, type: string) =>
        servers.find((server) => server.name === name) ?? { ...servers[1], url: `preferred for ${type}` },
    },
    store: {
      live: (isKnown: (promptId: string) => boolean) =>
        concat(of(...stored.filter(({ promptId }) => !isKnown(promptId))), isAway ? away$ : EMPTY),
    },
    writer: { waiting: (promptId: string) => waiting.find((state) => state.promptId === promptId) },
    reads: { get: () => Promise.resolve(aState({ serverUrl: 'http://a', outputs })) },
    pictures: { open: (_promptId: string, { filename }: { readonly filename: string }) => `picture ${filename}` },
    sessions: { own: (url: string) => `of ${url}` },
    life: { isOver: () => false },
    curves: {},
    stop$: NEVER,
  };
  const calls = callsOf(parts as unknown as CallParts, {
    clock: new VirtualTimeScheduler(),
    random: () => 0.5,
    report: (_where, error) => reports.push(error),
    backoff: { steadyMs: 0, delayMs: () => 1_000 },
  });
  return { ...calls, board, reports };
}

const ofStored = (promptId: string, more: Partial<JobState> = {}): JobState => aState({ promptId, ...more });

test('the live jobs are this instance’s as they are, then others’ as they are stored, or wait to be', async () => {
  const [mine, newer] = [ofStored('mine', { seq: 7 }), ofStored('waits', { seq: 8 })];
  const ended = ofStored('ended', { status: 'failed', phase: 'settled' });
  const its = anInstance({
    here: [mine],
    waiting: [newer, ended],
    stored: ['mine', 'other', 'waits', 'ended'].map((promptId) => ofStored(promptId)),
  });
  const partial = jest.fn();
  expect(await lastValueFrom(its.live(partial).pipe(toArray()))).toEqual([mine, ofStored('other'), newer]);
  expect([partial.mock.calls, its.reports]).toEqual([[], []]);
});

test('[R12] while the store is away they are this instance’s, which is said where it is asked, and reported', async () => {
  const mine = ofStored('mine');
  const its = anInstance({ here: [mine], isAway: true });
  const partial = jest.fn();
  expect(await lastValueFrom(its.live(partial).pipe(toArray()))).toEqual([mine]);
  expect(await lastValueFrom(its.live().pipe(toArray()))).toEqual([mine]);
  expect([partial.mock.calls.length, its.reports.length]).toEqual([1, 2]);
});

test.each<[where: string, asked: Partial<InputUpload>, healthy: readonly string[], url: string]>([
  ['the server that is named', { server: 'b' }, ['a'], 'http://b'],
  ['the preferred one for a type', { type: 'x' }, ['a'], 'preferred for x'],
  ['that for the type where both are said', { server: 'none', type: 'x' }, ['a'], 'preferred for x'],
  ['the first that is healthy', {}, ['b'], 'http://b'],
  ['the first where none is healthy', {}, [], 'http://a'],
])('an input goes to %s', async (_where, asked, healthy, url) => {
  const its = anInstance({ healthy });
  expect(await its.upload({ filename: 'f', ...asked } as InputUpload)).toMatchObject({ type: 'input', server: url });
});

test('of each server is told what its socket and its queue are', () => {
  const its = anInstance({ healthy: ['a'] });
  its.board.take({ tag: 'linked', clientId: 'of http://a', at: 1 });
  its.board.take({ tag: 'queueLength', clientId: 'of http://a', serverUrl: 'http://a', remaining: 0, at: 1 });
  expect(its.servers()).toStrictEqual([
    { url: 'http://a', name: 'a', healthy: true, via: 'websocket', queueRemaining: 0 },
    { url: 'http://b', name: 'b', healthy: false, via: 'polling' },
  ]);
});

test('an output is a file of its job’s server, or a picture that is kept; a text is none, nor what is not there', async () => {
  const file = { nodeId: '1', kind: 'images', filename: 'f', subfolder: '' };
  const its = anInstance({
    outputs: [
      { ...file, type: 'output' },
      { ...file, type: 'websocket' },
      { nodeId: '1', kind: 'text', text: 'x' },
    ],
  });
  const all = await Promise.all([0, 1, 2, 3].map((n) => its.output('p', n)));
  expect(all).toStrictEqual(['f of a', 'picture f', undefined, undefined]);
});
