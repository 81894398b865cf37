import { filter } from 'rxjs';
import type { BoardEvent } from '../../../streams/board/board';
import { bounds } from '../../../streams/bounds';
import { jobOf } from '../../../streams/job/job';
import { aFailure, aState } from '../../streams/job/a-job';
import { aShop, ONE, OTHER, resubmit } from '../../support/pipeline/a-shop';

const HOUR = 3_600_000;
const ended: BoardEvent = { tag: 'broke', promptId: 'p', at: 1_000, failure: aFailure('node_error') };

/** A shop in which the job `p` runs on, whatever is asked. */
function runningOn() {
  const shop = aShop();
  const looks: number[] = [];
  const noted = (event: BoardEvent): boolean => (event.tag === 'suspected' && looks.push(shop.now()), true);
  shop.open();
  shop.heed(shop.due$.pipe(filter(noted)));
  return { ...shop, looks, cancel: () => shop.heed(shop.stop('p')) };
}

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
    take(ended);
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

  test('a job that runs on is stopped again each half minute, and looked up, until it has ended', () => {
    const { cancel, take, done, looks, pass } = runningOn();
    cancel();
    pass(29_999);
    expect([done, looks]).toEqual([['cancel p'], []]);
    pass(60_001);
    expect([done, looks]).toEqual([Array(4).fill('cancel p'), [30_000, 60_000, 90_000]]);
    take(ended);
    pass(HOUR);
    expect([done.length, looks.length]).toEqual([4, 3]);
  });

  test('cancelled by several callers it is stopped again once each half minute', () => {
    const { cancel, done, pass } = runningOn();
    cancel();
    cancel();
    pass(30_000);
    expect(done).toHaveLength(3);
  });

  test('so it is where it was another instance’s meanwhile', () => {
    const { cancel, take, open, done, pass } = runningOn();
    cancel();
    take({ tag: 'released', promptId: 'p' });
    pass(30_000);
    expect(done).toHaveLength(1);
    open();
    cancel();
    pass(30_000);
    expect(done).toHaveLength(3);
  });

  test('a job that is cancelled as it is posted is stopped, and looked up, once its server has it', () => {
    const { take, heed, due$, stop, done, pass } = aShop();
    take({ tag: 'opened', job: jobOf(aState({ serverUrl: ONE })) });
    heed(due$);
    heed(stop('p'));
    pass(1_000);
    expect(done).toEqual([]);
    take({ tag: 'accepted', promptId: 'p', at: 1_000, postedAt: 1_000 });
    expect(done).toEqual(['cancel p']);
    pass(30_000);
    expect(done).toEqual(['cancel p', 'cancel p']);
  });

  test('a job that is gone is not looked up again and again, nor one of a server that is none of ours stopped', () => {
    const { cancel, take, done, looks, pass } = runningOn();
    take(ended);
    cancel();
    pass(HOUR);
    expect([done, looks]).toEqual([[], []]);
    const { heed, stop, open, ...other } = aShop();
    open({ serverUrl: 'http://removed' });
    heed(stop('p'));
    other.pass(HOUR);
    expect([other.done, other.reports]).toEqual([[], []]);
  });

  test('that a server does not answer is reported, with each time', () => {
    const { cancel, cancels, reports, pass } = runningOn();
    cancels.answered = false;
    cancel();
    pass(2_000);
    expect(reports).toHaveLength(3);
  });

  test('the run of a job that has ended here is to be stopped for an hour', () => {
    const { open, heed, due$, cancels, done, pass } = aShop();
    cancels.answered = false;
    open({ deadlineAt: 250 });
    heed(due$);
    pass(HOUR);
    const asked = done.length;
    expect(asked).toBeGreaterThan(3_500);
    pass(HOUR);
    expect(done.length - asked).toBeLessThan(3);
  });

  test('[R16] of a thousand such runs at a time, and one more once one of them was stopped', () => {
    const { take, heed, due$, cancels, done, pass } = aShop();
    const overdue = (promptId: string): void =>
      take({ tag: 'opened', job: jobOf(aState({ promptId, serverUrl: ONE, deadlineAt: 1 }), { accepted: true }) });
    cancels.answered = false;
    for (let n = 0; n <= bounds.stops; n++) overdue(`job ${n}`);
    heed(due$);
    pass(250);
    expect(new Set(done).size).toBe(bounds.stops);
    cancels.answered = true;
    pass(1_000);
    overdue('later');
    pass(1_000);
    expect(done).toContain('cancel later');
  });

  test.each([
    ['was given up as its server is away is stopped, which may go on with it', false, ['cancel p']],
    ['was lost by a server that answers is not', true, []],
  ])('the last run of a job that %s', (_how, answers, expected) => {
    const { open, take, link, unlink, done, pass, cancels } = aShop();
    cancels.answered = true;
    link(OTHER);
    link(ONE);
    open({ retry: resubmit });
    if (!answers) unlink(ONE);
    take({ tag: 'abandoned', promptId: 'p', at: 0 });
    pass(500);
    expect(done).toEqual(expected);
  });
});
