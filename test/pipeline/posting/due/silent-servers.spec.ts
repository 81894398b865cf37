import { jobOf } from '../../../../streams/job/job';
import { aState } from '../../../streams/job/a-job';
import { aShop, ONE, OTHER } from '../../../support/pipeline/a-shop';

/** Two servers that answered until 0; and which jobs are marked silent, since when. */
function aSilence() {
  const shop = aShop();
  const { board, take, heed, link, unlink } = shop;
  for (const url of [ONE, OTHER]) link(url);
  heed(shop.outage$);
  const begin = (promptId: string, serverUrl: string): void =>
    take({ tag: 'opened', job: jobOf(aState({ promptId, serverUrl, clientId: `client of ${serverUrl}` })) });
  const end = (promptId: string): void => take({ tag: 'released', promptId });
  const marked = () =>
    [...board.jobs.values()].flatMap(({ state: { promptId, silentSince } }) =>
      silentSince === undefined ? [] : [[promptId, silentSince]],
    );
  begin('a', ONE);
  begin('b', OTHER);
  unlink(ONE);
  return { ...shop, begin, end, marked };
}

describe('on virtual time', () => {
  test('the jobs of a server that does not answer say so after five seconds, and no others', () => {
    const { pass, marked } = aSilence();
    pass(5_000);
    expect(marked()).toEqual([]);
    pass(1_000);
    expect(marked()).toEqual([['a', 1_000]]);
  });

  test('so does one that begins there later, though another ends just then', () => {
    const { pass, marked, begin, end } = aSilence();
    pass(7_000);
    end('a');
    begin('later', ONE);
    pass(1_000);
    expect(marked()).toEqual([['later', 1_000]]);
  });

  test('[R17] of many jobs there are fifty marked at once, and other work comes between', () => {
    const { begin, pass, marked } = aSilence();
    for (let n = 0; n < 119; n++) begin(`job ${n}`, ONE);
    pass(6_000);
    expect(marked()).toHaveLength(50);
    pass(20);
    expect(marked()).toHaveLength(100);
    pass(20);
    expect(marked()).toHaveLength(120);
  });

  test('once it answers again no more of them are marked', () => {
    const { begin, pass, marked, link } = aSilence();
    for (let n = 0; n < 119; n++) begin(`job ${n}`, ONE);
    pass(6_000);
    expect(marked()).toHaveLength(50);
    link(ONE);
    pass(20_000);
    expect(marked()).toHaveLength(50);
  });
});
