import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { redisStore } from '../../../sinks/redis/redis-store';

test('a pipeline needs a server', () => {
  const store = redisStore({ url: 'redis://127.0.0.1:1', report: () => undefined });
  expect(() => createPipeline({ servers: [], store })).toThrow(TypeError);
  const [one, other] = ['http://ada:secret@comfy:8188', 'http://comfy:8188/'];
  expect(() => createPipeline({ servers: [one, other], store })).toThrow(
    new TypeError('two servers have the URL http://comfy:8188; give each once'),
  );
  const named = [{ url: 'http://a', name: 'studio' }, { url: 'http://b' }, { url: 'http://c', name: 'studio' }];
  expect(() => createPipeline({ servers: named, store })).toThrow('two servers have the name studio; give each once');
  store.close().subscribe();
});
