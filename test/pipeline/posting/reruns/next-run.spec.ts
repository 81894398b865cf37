import { StoreUnavailable } from '../../../../sinks/job-store';
import { aState } from '../../../streams/job/a-job';
import { aShop, ONE, OTHER, resubmit } from '../../../support/pipeline/a-shop';

describe('on virtual time', () => {
  const retry = { maxAttempts: 9 };

  describe('the next run', () => {
    test('[R12] is of the workflow that waits to be stored, where the store has none yet', () => {
      const { open, breaks, pass, posts, kept, waiting, link } = aShop();
      link(ONE);
      kept.clear();
      waiting.set('p', { tag: 'whole', prompt: { workflow: '{}' } });
      open({ retry });
      breaks('out_of_memory');
      pass(20_000);
      expect(posts).toHaveLength(1);
    });

    test('[R10] comes after 1, 2, 4, 8, then 16 s, each under an id of its own', () => {
      const { open, breaks, pass, posts, link, now } = aShop();
      link(ONE);
      open({ retry });
      const waits: number[] = [];
      for (let run = 2; run <= 8; run++) {
        const failedAt = now();
        breaks('out_of_memory');
        pass(20_000);
        waits.push(posts.at(-1)!.at - failedAt);
      }
      expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
      expect(new Set(posts.map(({ runId }) => runId)).size).toBe(7);
    });

    test('after want of memory is posted once that was freed; its state is stored before it is posted', () => {
      const { open, breaks, pass, done, link, board, puts } = aShop();
      link(ONE);
      open({ retry });
      breaks('out_of_memory');
      pass(1_000);
      const { runId } = board.job('p')!.state;
      expect(done).toEqual([`free ${ONE}`, `store ${runId}`, `post ${ONE}`]);
      expect(puts).toMatchObject([{ promptId: 'p', attempt: 2, status: 'queued', runId }]);
    });

    test('of a lost job frees no memory, and stays on a server that answers', () => {
      const { open, take, pass, done, link } = aShop();
      link(ONE);
      link(OTHER);
      open({ retry: resubmit });
      take({ tag: 'abandoned', promptId: 'p', at: 0 });
      pass(1_000);
      expect(done.filter((each) => !each.startsWith('store'))).toEqual([`post ${ONE}`]);
    });

    test('goes to another server where its own does not answer', () => {
      const { open, breaks, pass, posts, link, board } = aShop();
      link(OTHER);
      open({ retry });
      breaks('out_of_memory');
      pass(1_000);
      expect(posts).toMatchObject([{ url: OTHER }]);
      expect(board.job('p')?.state).toMatchObject({ serverUrl: OTHER, clientId: `client of ${OTHER}` });
    });

    test('stays on the server that was asked for where none is for its type', () => {
      const { open, breaks, pass, posts, link } = aShop({ [ONE]: ['a'], [OTHER]: ['a'] });
      link(OTHER);
      open({ retry, type: 'b' });
      breaks('out_of_memory');
      pass(1_000);
      expect(posts).toMatchObject([{ url: ONE }]);
    });

    test('is not made where the workflow is kept no more: the job settles with what the last run failed of', () => {
      const { open, breaks, pass, posts, kept, board } = aShop();
      kept.clear();
      open({ retry });
      breaks('out_of_memory');
      pass(1_000);
      expect([posts, board.jobs.size]).toEqual([[], 0]);
    });

    test.each(['stop', 'released'] as const)('is not made for a job that is gone meanwhile: %s', (how) => {
      const { open, breaks, pass, posts, done, stop, heed, take } = aShop();
      open({ retry });
      breaks('out_of_memory');
      pass(500);
      if (how === 'stop') heed(stop('p'));
      else take({ tag: 'released', promptId: 'p' });
      pass(60_000);
      expect([posts, done]).toEqual([[], []]);
    });

    test('is stopped by its own id', () => {
      const { open, breaks, pass, done, stop, heed, link, board } = aShop();
      link(ONE);
      open({ retry });
      breaks('out_of_memory');
      pass(1_000);
      const { runId = '' } = board.job('p')!.state;
      heed(stop('p'));
      pass(1_000);
      expect(done.at(-1)).toBe(`cancel ${runId}`);
    });

    test('[R11] may be another instance’s to post, and is new to its server; its workflow waits to be posted', () => {
      const { open, breaks, pass, handed, keeps, leases } = aShop();
      open({ retry });
      breaks('out_of_memory');
      pass(1_000);
      expect(handed[0]?.maybePosted).toBe(false);
      leases.trusted = false;
      expect(handed[0]?.mayPost()).toBe(false);
      expect(keeps.map(({ tag }) => tag)).toEqual(['unposted', 'whole']);
    });

    test('[R12] waits for its workflow while the store is away, and for ten seconds that it is stored itself', () => {
      const { open, breaks, pass, posts, reports, store, waiting } = aShop();
      const away = new StoreUnavailable('away');
      store.away = away;
      open({ retry });
      breaks('out_of_memory');
      pass(60_000);
      expect([posts, reports.length > 10, new Set(reports)]).toEqual([[], true, new Set([away])]);
      waiting.set('p', { tag: 'whole', prompt: { workflow: '{}' } });
      pass(10_999);
      expect(posts).toEqual([]);
      pass(1);
      expect(posts).toHaveLength(1);
    });

    test('is not made of the outline of its workflow', () => {
      const { open, breaks, pass, posts, waiting, board } = aShop();
      waiting.set('p', { tag: 'outline', prompt: { workflow: '{}' } });
      open({ retry });
      breaks('out_of_memory');
      pass(60_000);
      expect([posts, board.jobs.size]).toEqual([[], 0]);
    });
  });

  describe('[R15] a mistake of ours fails its job, and nothing else', () => {
    const mistake = (): never => {
      throw new TypeError('a mistake');
    };
    const state = aState({ serverUrl: ONE, clientId: `client of ${ONE}` });
    /** What becomes of the job `p`. */
    const kinds = (act: (shop: ReturnType<typeof aShop>) => void): readonly unknown[] => {
      const shop = aShop();
      const ends: unknown[] = [];
      shop.told$.subscribe(({ failure }) => failure && ends.push(failure.kind));
      act(shop);
      shop.pass(60_000);
      return ends;
    };

    test('as it is first posted, as it is taken up, and before its next run', () => {
      const prompt = { workflow: '{}' };
      expect([
        kinds(({ heed, posts, takenUp }) => {
          posts.push = mistake;
          heed(takenUp({ state, workflow: { tag: 'unposted', prompt } }));
        }),
        kinds(({ heed, posts, first }) => {
          posts.push = mistake;
          heed(first(state, true));
        }),
        kinds(({ open, breaks, kept }) => {
          kept.get = mistake;
          open({ retry });
          breaks('out_of_memory');
        }),
      ]).toEqual(Array(3).fill(['internal_error']));
    });
  });
});
