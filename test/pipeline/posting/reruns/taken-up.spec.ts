import type { StoredJob } from '../../../../pipeline/demand';
import { ranOutOfMemory, wasLost } from '../../../../pipeline/posting/reruns';
import type { BoardEvent } from '../../../../streams/board/board';
import { cancelledFailure, serverRemoved } from '../../../../streams/job/failures';
import type { Failure, JobState } from '../../../../streams/job/job-state';
import { aState } from '../../../streams/job/a-job';
import { aShop, ONE, OTHER, resubmit } from '../../../support/pipeline/a-shop';

const unposted: StoredJob['workflow'] = { tag: 'unposted', prompt: { workflow: '{}' } };
const whole: StoredJob['workflow'] = { tag: 'whole', prompt: { workflow: '{}' } };

/** What comes of a stored job that is taken up, and of its end if it has one. */
function takenUp(more: Partial<JobState>, workflow: StoredJob['workflow']) {
  const shop = aShop();
  shop.link(OTHER);
  const events: BoardEvent['tag'][] = [];
  let failure: Failure | undefined;
  const state = aState({ serverUrl: ONE, clientId: `client of ${ONE}`, ...more });
  shop.takenUp({ state, workflow }).subscribe((event) => {
    events.push(event.tag);
    if (event.tag === 'refused') failure = event.failure;
    shop.take(event);
  });
  return { ...shop, events, failed: () => failure };
}

describe('on virtual time', () => {
  test('a job that was stored and not posted yet is looked for, and posted', () => {
    const { handed, done } = takenUp({ status: 'queued' }, unposted);
    expect([handed[0]?.maybePosted, done]).toEqual([true, [`post ${ONE}`]]);
  });

  test('a new one is not looked for', () => {
    const { heed, first, handed } = aShop();
    heed(first(aState({ serverUrl: ONE }), true));
    expect(handed[0]?.maybePosted).toBe(false);
  });

  test.each([
    ['whose workflow is kept as posted', { status: 'queued' }, whole],
    ['that runs, though nobody heard that it was posted', { status: 'processing' }, unposted],
  ] as const)('a job %s is watched, and not posted', (_which, more, workflow) => {
    const { events, done, board } = takenUp(more, workflow);
    expect([events, done, board.job('p')?.stage.tag]).toEqual([['opened'], [], 'watched']);
  });

  test('one that was to be stopped is stopped', () => {
    const { events, done } = takenUp({ cancelAskedAt: 1 }, whole);
    expect([events, done]).toEqual([['opened', 'cancelAsked', 'suspected'], ['cancel p']]);
  });

  test('one that reports itself is only watched', () => {
    const { events, done, board } = takenUp({ reported: { silentMs: 1, count: 0, heardAt: 0 } }, undefined);
    expect([events, done, board.job('p')?.stage.tag]).toEqual([['opened'], [], 'reporting']);
  });

  test.each([
    ['lost', resubmit, wasLost],
    ['short of memory', { maxAttempts: 9 }, ranOutOfMemory],
  ] as const)(
    'one whose last run was %s is run again, and has failed of that where its workflow is gone',
    (_, retry, failure) => {
      const state = { attempt: 2, retry };
      const again = takenUp(state, unposted);
      again.pass(60_000);
      expect([again.posts.length, again.board.job('p')?.state.attempt]).toEqual([1, 2]);
      const gone = takenUp(state, undefined);
      gone.kept.clear();
      const seen: unknown[] = [];
      gone.told$.subscribe((state) => seen.push(state.failure));
      gone.pass(60_000);
      expect([seen.at(-1), gone.posts]).toEqual([failure, []]);
      expect(failure.retryable).toBe(true);
    },
  );

  describe('of a server that was taken out of the settings', () => {
    const removed = { serverUrl: 'http://removed' };

    test('one that may run again does, on another', () => {
      const { events, pass, posts } = takenUp({ ...removed, retry: resubmit }, whole);
      expect(events).toEqual(['opened', 'abandoned']);
      pass(60_000);
      expect(posts).toMatchObject([{ url: OTHER }]);
    });

    test.each([
      ['one that may not has failed', {}, serverRemoved],
      ['one that was to be stopped is cancelled', { retry: resubmit, cancelAskedAt: 1 }, cancelledFailure],
    ])('%s', (_which, more, failure) => {
      const { events, failed, done, pass } = takenUp({ ...removed, ...more }, whole);
      pass(60_000);
      expect([events, failed(), done]).toEqual([['opened', 'refused'], failure, []]);
    });

    test('one whose last run was over runs again all the same', () => {
      const { pass, posts } = takenUp({ ...removed, attempt: 2, retry: { maxAttempts: 9 } }, whole);
      pass(60_000);
      expect(posts).toMatchObject([{ url: OTHER }]);
    });
  });
});
