import { TestScheduler } from 'rxjs/testing';
import { rooms, type News } from '../../../../gateway/sockets/rooms';
import { UnknownJob } from '../../../../pipeline/api';
import type { Preview } from '../../../../pipeline/api';
import { ada, bob, state } from './trial';

const marbles = () => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));

const preview = (promptId: string): Preview => ({
  promptId,
  nodeId: '3',
  mimeType: 'image/png',
  image: new Uint8Array(1),
});

const states = { a: state(1), b: state(2), c: state(3) };
const previews = { p: preview('j') };
const news: Record<string, News> = {
  a: { tag: 'state', job: states.a },
  b: { tag: 'state', job: states.b },
  c: { tag: 'state', job: states.c },
  p: { tag: 'preview', preview: previews.p },
};

test('two members share one watch, the late one begins with the present state', () => {
  marbles().run(({ hot, cold, expectObservable, expectSubscriptions }) => {
    const job$ = cold('  a--b---c|', states);
    const preview$ = hot('--p------', previews);
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada)).toBe('       a-pb---c|', news);
    expectObservable(jobs.news('j', ada), '----^----').toBe('----b--c|', news);
    expectSubscriptions(job$.subscriptions).toBe('^-------!');
    expectSubscriptions(preview$.subscriptions).toBe('^-------!');
  });
});

test('the watch ends with the last member, and begins anew with the next', () => {
  marbles().run(({ hot, cold, expectObservable, expectSubscriptions }) => {
    const job$ = cold('a--b---c---', states);
    const preview$ = hot<Preview>('-----------');
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada), '^----!').toBe('a--b--', news);
    expectObservable(jobs.news('j', ada), '-^-!').toBe('  -a', news);
    expectObservable(jobs.news('j', ada), '-------^---!').toBe('-------a--b', news);
    expectSubscriptions(job$.subscriptions).toBe(['^----!', '-------^---!']);
    expectSubscriptions(preview$.subscriptions).toBe(['^----!', '-------^---!']);
  });
});

test('[R14] who may not see the job hears neither states nor previews, even where another does', () => {
  marbles().run(({ hot, cold, expectObservable }) => {
    const job$ = cold('  a--b---', states);
    const preview$ = hot('pp--pp--', previews);
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada), '^----!').toBe('ap-bp', news);
    expectObservable(jobs.news('j', bob)).toBe('#', news, new UnknownJob('j'));
    expectObservable(jobs.news('j', bob), '--^').toBe('--#', news, new UnknownJob('j'));
  });
});

test('previews wait until the state was seen', () => {
  marbles().run(({ hot, cold, expectObservable }) => {
    const job$ = cold('  ---a---', states);
    const preview$ = hot('-p---p-', previews);
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada), '^-----!').toBe('---a-p', news);
  });
});

test('a settled job is watched once, for its end', () => {
  marbles().run(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const job$ = cold('(c|)', states);
    const preview$ = hot<Preview>('------');
    const jobs = rooms({ watch: () => job$, previews: () => preview$ });
    expectObservable(jobs.news('j', ada)).toBe('(c|)', news);
    expectObservable(jobs.news('j', ada), '---^').toBe('---(c|)', news);
    expectSubscriptions(job$.subscriptions).toBe(['(^!)', '---(^!)']);
  });
});
