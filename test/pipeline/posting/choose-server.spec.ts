import { UnknownServer } from '../../../pipeline/api';
import { choosing, route, type Candidate } from '../../../pipeline/posting/choose-server';
import { rerunMs, serverOfNextRun, waitsForRun } from '../../../pipeline/posting/reruns';
import type { ComfyUIServer } from '../../../sources/comfyui-server';
import { newSession } from '../../../streams/board/session-watch';
import { aState } from '../../streams/job/a-job';

type Named = Candidate & { readonly name: string };

const server = (name: string, own: Partial<Candidate> = {}): Named => ({ name, healthy: true, queue: 0, ...own });
const routed = (servers: readonly Named[], type = 'face_swap'): string | undefined => route(servers, type)?.name;

test('a server takes the types it names, or all where it names none', () => {
  const servers = [server('pictures', { tags: ['image_generation'], queue: 0 }), server('any', { queue: 5 })];
  expect(routed(servers, 'image_generation')).toBe('pictures');
  expect(routed(servers, 'face_swap')).toBe('any');
});

test('where no server takes a type there is none, however healthy', () => {
  expect(routed([server('pictures', { tags: ['image_generation'] }), server('none', { tags: [] })])).toBeUndefined();
  expect(routed([])).toBeUndefined();
});

test('a type is the whole of a tag', () => {
  expect(routed([server('a', { tags: ['face'] }), server('b', { tags: ['face_swap_hd'] })])).toBeUndefined();
});

test('of those, a healthy one goes before one that is not, whatever their queues', () => {
  expect(routed([server('ill', { healthy: false }), server('well', { queue: 99 })])).toBe('well');
});

test('a healthy server that does not take the type is no help', () => {
  expect(routed([server('pictures', { tags: [] }), server('ill', { healthy: false })])).toBe('ill');
});

test('of the healthy ones, the one with the shortest queue', () => {
  expect(routed([server('a', { queue: 3 }), server('b', { queue: 1 }), server('c', { queue: 2 })])).toBe('b');
});

test('of equals, the first', () => {
  expect(routed([server('a', { queue: 2 }), server('b', { queue: 1 }), server('c', { queue: 1 })])).toBe('b');
});

test('where none is healthy, the one with the shortest queue all the same', () => {
  expect(routed([server('a', { healthy: false, queue: 2 }), server('b', { healthy: false, queue: 1 })])).toBe('b');
});

test('leaves the servers in the order they were given in', () => {
  const servers = [server('a', { queue: 2 }), server('b', { queue: 1 })];
  routed(servers);
  expect(servers.map(({ name }) => name)).toEqual(['a', 'b']);
});

/** Servers with what is known of each: its socket, when it answered, the jobs that it says it has, and ours there. */
interface Known {
  readonly open?: boolean;
  readonly unlinkedAt?: number;
  readonly answeredAt?: number;
  readonly remaining?: number;
  readonly ours?: number;
}

/** By when all that is known has happened. */
const NOW = 1_000_000;

function aChoice(known: Readonly<Record<string, Known>>) {
  const of = (url: string): Known => known[url.replace('http://', '')] ?? {};
  const servers = Object.keys(known).map((name) => ({
    name,
    url: `http://${name}`,
    answeredAt: () => known[name]?.answeredAt ?? 0,
  })) as unknown as readonly ComfyUIServer[];
  const board = {
    session: (url: string) => ({ ...newSession, ...of(url) }),
    queueRemaining: (url: string) => of(url).remaining,
    countOf: (url: string) => of(url).ours ?? 0,
  };
  const choice = choosing(servers, (url) => url, board, { now: () => NOW });
  const well = (): readonly string[] => servers.filter(choice.isHealthy).map(({ name }) => name);
  return { ...choice, well };
}

test('a server is well that is heard through an open socket, or has answered since that was lost', () => {
  const { well } = aChoice({
    heard: { open: true, unlinkedAt: 9 },
    answers: { answeredAt: 5, unlinkedAt: 5 },
    silent: { answeredAt: 4, unlinkedAt: 5 },
    unasked: {},
  });
  expect(well()).toEqual(['heard', 'answers']);
});

test('a server has in hand what it says, or what we gave it where that is more', () => {
  const busy = { open: true, remaining: 3, ours: 1 };
  const told = aChoice({ a: busy, b: { open: true, ours: 2 } });
  expect(told.preferred('face_swap')?.name).toBe('b');
  expect(aChoice({ a: busy, b: { open: true, ours: 4 } }).preferred('face_swap')?.name).toBe('a');
});

test('a server is asked for by its name or its URL, and one that is not ours is refused by name', () => {
  const { asked } = aChoice({ a: {}, b: {} });
  for (const wanted of ['b', 'http://b', 'http://b//']) expect(asked(wanted, 'face_swap').name).toBe('b');
  expect(() => asked('c', 'face_swap')).toThrow(UnknownServer);
  expect(() => aChoice({}).asked(undefined, 'face_swap')).toThrow('no server takes jobs of the type face_swap');
});

test('another server is a healthy one', () => {
  const { another } = aChoice({ a: { open: true }, b: {}, c: { open: true, ours: 9 } });
  expect(another('http://a', 'face_swap')?.name).toBe('c');
  expect(another('http://c', 'face_swap')?.name).toBe('a');
  expect(aChoice({ a: { open: true }, b: {} }).another('http://a', 'face_swap')).toBeUndefined();
});

test('a job’s next run goes to the server before where that is well, else to a better one', () => {
  const at = (known: Readonly<Record<string, Known>>) =>
    serverOfNextRun(aState({ serverUrl: 'http://a' }), aChoice(known))?.name;
  expect(at({ a: { open: true, ours: 9 }, b: { open: true } })).toBe('a');
  expect(at({ a: {}, b: { open: true, ours: 9 } })).toBe('b');
  expect(at({ a: {} })).toBe('a');
});

test('[R10] next runs wait for one second, then for twice as long each time, up to sixteen', () => {
  expect([2, 3, 4, 5, 6, 7, 99].map(rerunMs)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
});

test('a job waits for its next run that has had one and has no id of another', () => {
  expect(waitsForRun(aState({ attempt: 2 }))).toBe(true);
  expect([waitsForRun(aState()), waitsForRun(aState({ attempt: 2, runId: 'r2' }))]).toEqual([false, false]);
});
