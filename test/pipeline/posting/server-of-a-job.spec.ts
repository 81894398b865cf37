import { UnknownServer } from '../../../pipeline/api';
import { aShop, ONE, OTHER } from '../../support/pipeline/a-shop';

describe('on virtual time', () => {
  describe('the server of a job', () => {
    test('is the one asked for, with or without a slash, healthy or not', () => {
      const { server, link } = aShop({ [OTHER]: ['lora_training'] });
      link(ONE);
      expect(server(`${OTHER}/`, 'face_swap').url).toBe(OTHER);
    });

    test('is one that takes its type, answers, and has the shortest queue', () => {
      const { server, link, unlink, answers, open, take } = aShop();
      link(ONE);
      link(OTHER);
      expect(server(undefined, 'x').url).toBe(ONE);
      open();
      expect(server(undefined, 'x').url).toBe(OTHER);
      take({ tag: 'queueLength', clientId: 'c', serverUrl: OTHER, remaining: 7, at: 0 });
      expect(server(undefined, 'x').url).toBe(ONE);
      unlink(ONE);
      expect(server(undefined, 'x').url).toBe(OTHER);
      answers(ONE);
    });

    test('that is not ours, or of a type that none takes, is an UnknownServer', () => {
      const { server } = aShop({ [ONE]: ['a'], [OTHER]: ['b'] });
      expect(() => server('http://elsewhere', 'a')).toThrow(UnknownServer);
      expect(() => server(undefined, 'c')).toThrow(UnknownServer);
      expect(server(undefined, 'b').url).toBe(OTHER);
    });

    test('is healthy while its socket is open, and where it answered since that was lost', () => {
      const { isHealthy, server, link, unlink, answers, pass } = aShop();
      const one = server(ONE, 'x');
      expect(isHealthy(one)).toBe(false);
      link(ONE);
      expect(isHealthy(one)).toBe(true);
      pass(5);
      unlink(ONE);
      expect(isHealthy(one)).toBe(false);
      pass(5);
      answers(ONE);
      expect(isHealthy(one)).toBe(true);
    });
  });
});
