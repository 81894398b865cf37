import { route, type Candidate } from '../../../pipeline/posting/choose-server';

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
