import { aState } from '../../../streams/job/a-job';
import { aShop, ONE } from '../../../support/pipeline/a-shop';

describe('on virtual time', () => {
  test.each([
    ['that others can find is posted only while its lease is certain', true, false, [true, false]],
    ['that is stored nowhere is posted whatever its lease is', false, true, [true, true]],
    ['that was stored after it was submitted is posted only while its lease is certain', false, false, [true, false]],
  ] as const)('[R11] a job %s', (_, stored, waits, expected) => {
    const { heed, first, leases, handed, waiting } = aShop();
    if (waits) waiting.set('p', { tag: 'unposted', prompt: { workflow: '{}' } });
    heed(first(aState({ serverUrl: ONE, clientId: `client of ${ONE}` }), stored));
    const may = [true, false].map((trusted) => {
      leases.trusted = trusted;
      return handed[0]?.mayPost();
    });
    expect(may).toEqual(expected);
  });

  test.each([
    [0, true],
    [4_999, true],
    [5_000, false],
    [-1, false],
  ])('[R11] [R12] a job that may have been stored %d ms ago is posted without a lease: %s', (sinceMs, expected) => {
    const { heed, first, leases, handed, waiting, unheard } = aShop();
    waiting.set('p', { tag: 'unposted', prompt: { workflow: '{}' } });
    heed(first(aState({ serverUrl: ONE, clientId: `client of ${ONE}` }), false));
    leases.trusted = false;
    unheard.sinceMs = sinceMs;
    expect(handed[0]?.mayPost()).toBe(expected);
  });
});
