import { InvalidRedisUrl, redisUrl, urlOfNode } from '../../../sinks/redis/connection/url';

it.each([
  ['redis://localhost', false, ['redis://localhost']],
  ['rediss://u:p@h:1/2?family=6', false, ['rediss://u:p@h:1/2?family=6']],
  ['redis://:a,b@h:1', false, ['redis://:a,b@h:1']],
  ['redis://a:1,redis://b', true, ['redis://a:1', 'redis://b:6379']],
  ['redis://a:1, redis://b:2', true, ['redis://a:1', 'redis://b:2']],
  ['rediss://u:p%2C@a:1/0,rediss://[::1]:2', true, ['rediss://u:p%2C@a:1', 'rediss://u:p%2C@[::1]:2']],
  ['redis://:p@a:1?cluster=1', true, ['redis://:p@a:1']],
])('%s is understood', (text, isCluster, urls) => {
  expect(redisUrl(text)).toMatchObject({ isCluster, urls });
});

it('gives credentials as they are meant', () => {
  expect(redisUrl('rediss://ann:%2Fs%2C@h')).toMatchObject({ username: 'ann', password: '/s,', isTls: true });
});

it.each([
  '',
  'localhost:6379',
  'http://h',
  'redis://h/x',
  'redis://h#x',
  'redis://a:1,',
  'redis://a:1,http://b:2',
  'redis://a:1,rediss://b:2',
  'redis://a:1/1,redis://b:2',
  'redis://a:1/3?cluster=1',
])('%j is not', (text) => {
  expect(() => redisUrl(text)).toThrow(InvalidRedisUrl);
});

it('reaches the nodes that a cluster names as it reached the first', () => {
  const url = redisUrl('rediss://u:p@a:1?cluster=1');
  expect(urlOfNode(url, '10.0.0.1:7000')).toBe('rediss://u:p@10.0.0.1:7000');
  expect(urlOfNode(url, 'fe80::1:7000')).toBe('rediss://u:p@[fe80::1]:7000');
});
