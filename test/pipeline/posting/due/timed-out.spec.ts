import { Subject } from 'rxjs';
import type { BoardEvent } from '../../../../streams/board/board';
import { timedOut } from '../../../../streams/job/failures';
import { reportedJob } from '../../../../streams/reports/reported-job';
import type { Failure, RetryPolicy } from '../../../../streams/job/job-state';
import { aState } from '../../../streams/job/a-job';
import { aShop, ONE, OTHER, resubmit } from '../../../support/pipeline/a-shop';

/** A job that is being posted to `ONE`; and its end, if it has one. */
function beingPosted(maybeSent: boolean, retry?: RetryPolicy) {
  const shop = aShop();
  const answer$ = new Subject<BoardEvent>();
  Object.assign(shop.post, { answer$, maybeSent });
  const ends: (Failure | undefined)[] = [];
  shop.told$.subscribe(({ phase, failure }) => phase === 'settled' && ends.push(failure));
  shop.heed(shop.due$);
  shop.heed(
    shop.first(
      aState({ serverUrl: ONE, clientId: `client of ${ONE}`, deadlineAt: 5_000, ...(retry && { retry }) }),
      true,
    ),
  );
  const told = (event: BoardEvent): void => {
    answer$.next(event);
    answer$.complete();
  };
  return {
    ...shop,
    ends,
    accepted: (runId?: string) =>
      told({
        tag: 'accepted',
        promptId: 'p',
        at: shop.now(),
        postedAt: 0,
        ...(runId !== undefined && { runId }),
      }),
    refused: (failure: Failure) => told({ tag: 'refused', promptId: 'p', at: shop.now(), failure }),
  };
}

const unanswered: Failure = { kind: 'unreachable', message: 'no answer', retryable: true };

describe('on virtual time', () => {
  test('a job whose time is up at its server has ended, and its run is stopped', () => {
    const { open, heed, due$, board, done, pass } = aShop();
    heed(due$);
    open({ deadlineAt: 5_000, runId: 'run' });
    pass(4_999);
    expect(done).toEqual([]);
    pass(1);
    expect([board.job('p'), done]).toEqual([undefined, ['cancel run']]);
  });

  test('a job whose time is up as it is posted has ended; the run that was posted is stopped once that is answered', () => {
    const { ends, accepted, done, pass } = beingPosted(false);
    pass(5_000);
    expect([ends, done]).toEqual([[timedOut], [`post ${ONE}`]]);
    accepted();
    expect(done.slice(1)).toEqual(['cancel p']);
  });

  test('by the id that the server gave it', () => {
    const { accepted, done, pass } = beingPosted(false);
    pass(5_000);
    accepted('of ONE');
    expect(done.slice(1)).toEqual(['cancel of ONE']);
  });

  test.each([
    ['of which no answer came, and that may have been sent', unanswered, true, ['cancel p']],
    ['that was certainly not sent', unanswered, false, []],
    ['that the server has refused', { ...unanswered, kind: 'rejected', retryable: false }, true, []],
    ['that no server will ever take', { ...unanswered, retryable: false }, true, []],
  ] as const)('a run %s is stopped, if it may be there: %j', (_which, failure, maybeSent, expected) => {
    const { refused, ends, done } = beingPosted(maybeSent);
    refused(failure);
    expect([ends, done.slice(1)]).toEqual([[failure], expected]);
  });

  test('a job that reports itself has ended where its program is silent, and no server is asked', () => {
    const { take, heed, due$, board, done, pass } = aShop();
    heed(due$);
    const reported = { silentMs: 5_000, count: 0, heardAt: 0 };
    take({ tag: 'opened', job: reportedJob(aState({ epoch: 0, reported })) });
    pass(60_000);
    expect([board.job('p'), done]).toEqual([undefined, []]);
  });

  describe('a run that was given up as its server is away, before that answered', () => {
    const givenUp = () => {
      const shop = beingPosted(false, resubmit);
      shop.link(OTHER);
      shop.take({ tag: 'abandoned', promptId: 'p', at: 0 });
      shop.post.answer$ = undefined;
      shop.pass(1_000);
      expect(shop.board.job('p')?.state).toMatchObject({ attempt: 2, serverUrl: OTHER, status: 'queued' });
      shop.done.splice(0);
      return shop;
    };

    test.each([
      ['under an id of its own', 'of ONE'],
      ['under ours', undefined],
    ])('is stopped once that takes it %s, which is no news of the next', (_how, runId) => {
      const { accepted, board, done } = givenUp();
      const before = board.job('p');
      accepted(runId);
      expect([done, board.job('p')]).toEqual([[`cancel ${runId ?? 'p'}`], before]);
    });

    test('ends nothing where that refuses it', () => {
      const { refused, board, done, ends } = givenUp();
      refused({ ...unanswered, kind: 'rejected', retryable: false });
      expect([done, board.job('p')?.state.attempt, ends]).toEqual([[], 2, []]);
    });
  });

  test('a run that has ended for want of memory before its post was answered is not stopped', () => {
    const { breaks, accepted, done } = beingPosted(false, resubmit);
    breaks('out_of_memory');
    accepted();
    expect(done.slice(1)).toEqual([]);
  });

  test('a job whose session another instance took as it was posted is let go', () => {
    const { leases, accepted, board, done } = beingPosted(false);
    leases.held = false;
    accepted();
    expect([board.job('p'), done.slice(1)]).toEqual([undefined, []]);
  });

  test('a posted workflow is kept in outline, and whole where it may run again', () => {
    const [once, again] = [beingPosted(false), beingPosted(false, resubmit)];
    for (const { accepted } of [once, again]) accepted();
    expect([once.keeps, again.keeps].map((kept) => kept.map(({ tag }) => tag))).toEqual([['outline'], ['whole']]);
  });
});
