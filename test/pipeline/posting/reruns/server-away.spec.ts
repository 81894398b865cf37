import { aShop, ONE, OTHER, resubmit } from '../../../support/pipeline/a-shop';

describe('on virtual time', () => {
  describe('a server that stays away', () => {
    /** `ONE` with a job on it was lost at 0; the other answers, or does not. */
    const away = (retry = resubmit, otherIsThere = true) => {
      const shop = aShop();
      shop.link(ONE);
      if (otherIsThere) shop.link(OTHER);
      shop.open({ retry });
      shop.heed(shop.outage$);
      shop.unlink(ONE);
      return shop;
    };

    test('gives its jobs up to another after a minute, not before', () => {
      const { pass, board, posts } = away();
      pass(60_000);
      expect(board.job('p')?.state.attempt).toBe(1);
      pass(2_000);
      expect(board.job('p')?.state).toMatchObject({ attempt: 2, serverUrl: OTHER });
      pass(600_000);
      expect(posts).toMatchObject([{ url: OTHER }]);
    });

    test('[R4] keeps them while no other server answers: it is waited for', () => {
      const { pass, board, posts, link } = away(resubmit, false);
      pass(600_000);
      expect(board.job('p')?.state).toMatchObject({ attempt: 1, serverUrl: ONE });
      link(ONE);
      pass(600_000);
      expect([board.job('p')?.state.attempt, posts]).toEqual([1, []]);
    });

    test('counts from anew once it was back', () => {
      const { pass, board, link, unlink } = away();
      pass(50_000);
      link(ONE);
      pass(1_000);
      unlink(ONE);
      pass(59_000);
      expect(board.job('p')?.state.attempt).toBe(1);
      pass(3_000);
      expect(board.job('p')?.state.attempt).toBe(2);
    });

    test('is not away while it answers without a socket', () => {
      const { pass, board, answers } = away();
      pass(1);
      answers(ONE);
      pass(600_000);
      expect(board.job('p')?.state.attempt).toBe(1);
    });

    test('is away only for as long as this process looked: one that stood still for ten minutes, or whose clock was set, knows nothing of them', () => {
      const { pass, board, clock, link, done } = away();
      pass(2_000);
      const now = clock.now;
      clock.now = () => now() + 600_000;
      pass(3_000);
      link(ONE);
      pass(600_000);
      expect([board.job('p')?.state.attempt, done]).toEqual([1, []]);
    });

    test('[R11] keeps its jobs while another instance may have them: a run of theirs would be stopped', () => {
      const { pass, board, leases, done } = away();
      leases.trusted = false;
      pass(600_000);
      expect([board.job('p')?.state.attempt, done]).toEqual([1, []]);
      leases.trusted = true;
      pass(2_000);
      expect(board.job('p')?.state.attempt).toBe(2);
    });

    test('is not away where it answers without a socket and the clock was set back', () => {
      const { pass, board, link, unlink, answers, clock } = away();
      link(ONE);
      pass(7_200_000);
      unlink(ONE);
      const now = clock.now;
      clock.now = () => now() - 3_600_000;
      answers(ONE);
      pass(600_000);
      expect(board.job('p')?.state.attempt).toBe(1);
    });

    test('keeps jobs that may run once only', () => {
      const { pass, board } = away({ maxAttempts: 1, onLost: 'resubmit' });
      pass(600_000);
      expect(board.job('p')?.state).toMatchObject({ attempt: 1, status: 'queued' });
    });

    test('keeps jobs of a type that no other server takes', () => {
      const shop = aShop({ [OTHER]: ['another'] });
      for (const url of [ONE, OTHER]) shop.link(url);
      shop.open({ retry: resubmit });
      shop.heed(shop.outage$);
      shop.unlink(ONE);
      shop.pass(600_000);
      expect(shop.board.job('p')?.state).toMatchObject({ attempt: 1, serverUrl: ONE });
    });
  });
});
