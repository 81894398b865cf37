import { EMPTY, asyncScheduler, defer, of, throwError } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { NoAnswer } from '../../../sources/rest/no-answer';
import type { Rest } from '../../../sources/rest/rest';
import { defaultSubmitPolicy } from '../../../sources/rest/submission';
import { submit } from '../../../sources/rest/submit';

const refused = (): NoAnswer => new NoAnswer('/prompt: ECONNREFUSED', false);

/** Posts a workflow whose first post reaches nobody; gives what the server was asked, and when. The last answer to anybody came at `answeredAt`. */
function posted(answeredAt: number): readonly string[] {
  const asked: string[] = [];
  const note = (what: string): void => void asked.push(`${asyncScheduler.now()} ${what}`);
  const answer = { status: 200, json: { prompt_id: 'a', node_errors: {} } };
  const post: Rest['post'] = () =>
    defer(() => {
      note('post');
      return asked.length === 1 ? throwError(() => refused()) : of(answer);
    });
  const answers = () =>
    defer(() => {
      note('health');
      return of(true as const);
    });
  new TestScheduler(() => undefined).run(({ flush }) => {
    const rest: Rest = {
      get: () => EMPTY,
      post,
      open: () => Promise.reject(refused()),
      answeredAt: () => answeredAt,
      disown: () => undefined,
      close: () => Promise.resolve(),
    };
    const server = { rest, routes: { answers, knowsWhetherIdsStay: () => undefined }, find: () => EMPTY };
    const submission = {
      promptId: 'a',
      since: 0,
      clientId: 'c',
      prompt: { workflow: '{}' },
      maybePosted: false,
      changed$: EMPTY,
      linked: () => true,
      cancelAsked: () => false,
      wanted: () => true,
      mayPost: () => true,
    };
    const policy = { ...defaultSubmitPolicy, backoff: { steadyMs: 0, delayMs: () => 500 }, clock: asyncScheduler };
    submit(server, submission, policy, () => undefined).subscribe();
    flush();
  });
  return asked;
}

test('[R10] a workflow that reached nobody is posted again after a health check', () => {
  expect(posted(0)).toEqual(['0 post', '500 health', '500 post']);
});

test('[R10] what the server answered to somebody else since then is one', () => {
  expect(posted(300)).toEqual(['0 post', '500 post']);
});
