import type { BoardEvent } from '../../../streams/board/board';
import { aFailure } from '../../streams/job/a-job';
import { aShop } from '../../support/pipeline/a-shop';

describe('on virtual time', () => {
  test('a server that does not answer is asked to stop a job until that has ended, and no longer', () => {
    const { stop, open, take, done, cancels, pass } = aShop();
    cancels.answered = false;
    open();
    const events: BoardEvent[] = [];
    stop('p').subscribe((event) => {
      events.push(event);
      take(event);
    });
    expect(done).toEqual(['cancel p']);
    pass(1_000);
    expect(done).toEqual(['cancel p', 'cancel p']);
    expect(events.map(({ tag }) => tag)).toEqual(['cancelAsked']);
    take({ tag: 'broke', promptId: 'p', at: 1_000, failure: aFailure('node_error') });
    expect(events.map(({ tag }) => tag)).toEqual(['cancelAsked', 'suspected']);
    pass(60_000);
    expect(done).toEqual(['cancel p', 'cancel p']);
  });

  test('a job that is let go is asked to stop no longer', () => {
    const { stop, open, take, done, cancels, pass } = aShop();
    cancels.answered = false;
    open();
    stop('p').subscribe(take);
    take({ tag: 'released', promptId: 'p' });
    pass(60_000);
    expect(done).toEqual(['cancel p']);
  });
});
