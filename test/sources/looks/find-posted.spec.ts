import { asyncScheduler, defer, of, throwError, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { Ends } from '../../../sources/codecs/history.codec';
import type { Whereabouts, Queued } from '../../../sources/codecs/jobs.codec';
import { findPosted } from '../../../sources/looks/find-posted';
import type { JobRoutes } from '../../../sources/looks/job-routes';
import { MARK } from '../../../sources/looks/queue-places';
import { NoAnswer, Unreadable } from '../../../sources/rest/no-answer';

/** What a server holds, or the error in place of its answer. */
interface Server {
  readonly queue?: readonly Queued[] | Error;
  readonly ends?: Ends | Error;
  readonly ended?: readonly string[];
  readonly unreadable?: readonly string[];
  /** The ids of an old server's own, by the ids that were posted. */
  readonly renamed?: Readonly<Record<string, string>>;
}

const queued = (promptId: string, mark?: string): Queued => ({
  promptId,
  number: 0,
  running: false,
  nodes: 0,
  extraData: mark === undefined ? {} : { [MARK]: mark },
});
const ids = (...some: readonly string[]): ReadonlyMap<string, string> => new Map(some.map((id) => [id, id]));
const answered = <T>(answer: T | Error): Observable<T> =>
  answer instanceof Error ? throwError(() => answer) : of(answer);

/** Looks for these at the same moment; gives what came of each, and all questions that were put. */
function found(server: Server, ...promptIds: readonly string[]) {
  const { queue = [], ends = { ids: ids(), isAll: true }, ended = [], unreadable = [], renamed = {} } = server;
  const questions: string[] = [];
  const asked = <T>(question: string, answer: T | Error): Observable<T> =>
    defer(() => {
      questions.push(question);
      return answered(answer);
    });
  const one = (id: string): Whereabouts | Error => {
    if (unreadable.includes(id)) return new Unreadable('no JSON', true);
    return ended.includes(id) ? { tag: 'ended', outcome: [] } : { tag: 'absent' };
  };
  const routes: JobRoutes = {
    queue: () => asked('queue', queue),
    wholeQueue: () => asked('queue', queue),
    ends: () => asked('ends', ends),
    one: (id) => asked(`one ${id}`, one(id)),
    renamed: (some) => asked(`renamed ${some.join()}`, new Map(Object.entries(renamed))),
    answers: () => asked('answers', true),
    isLegacy: () => false,
    knowsWhetherIdsStay: () => undefined,
  };
  const outcomes: Record<string, unknown> = {};
  new TestScheduler(() => undefined).run(({ flush }) => {
    const find = findPosted(routes, asyncScheduler);
    for (const promptId of promptIds)
      find(promptId, 0).subscribe({
        next: (id) => (outcomes[promptId] = id ?? 'nowhere'),
        error: (error: unknown) => (outcomes[promptId] = (error as Error).message),
      });
    flush();
  });
  return { outcomes, questions };
}

describe('a posted workflow', () => {
  test('is found in the queue, under its id or with our mark', () => {
    const { outcomes, questions } = found({ queue: [queued('a'), queued('other', 'b')] }, 'a', 'b');
    expect(outcomes).toEqual({ a: 'a', b: 'other' });
    expect(questions).toEqual(['queue']);
  });

  test('is found at its end, under its id or under an old server’s', () => {
    const { outcomes, questions } = found({ ended: ['a'], renamed: { b: 'other' } }, 'a', 'b');
    expect(outcomes).toEqual({ a: 'a', b: 'other' });
    expect(questions).toEqual(['queue', 'one a', 'one b', 'renamed b']);
  });

  test('[R10] is nowhere where neither queue nor history has it', () => {
    expect(found({}, 'a')).toEqual({ outcomes: { a: 'nowhere' }, questions: ['queue', 'one a', 'renamed a'] });
  });

  test('[R10] is not called absent where the queue cannot be read', () => {
    const { outcomes } = found({ queue: new Unreadable('too large', true), ended: ['a'] }, 'a', 'b');
    expect(outcomes).toEqual({ a: 'a', b: 'too large' });
  });

  test('[R4] is not called absent where there is no answer', () => {
    const gone = new NoAnswer('gone', true);
    expect(found({ queue: gone }, 'a', 'b').outcomes).toEqual({ a: 'gone', b: 'gone' });
    const { outcomes, questions } = found({ queue: [queued('a')], ends: gone }, 'a', 'b', 'c', 'd');
    expect(outcomes).toEqual({ a: 'a', b: 'gone', c: 'gone', d: 'gone' });
    expect(questions).toEqual(['queue', 'ends']);
  });
});

describe('several of them', () => {
  const many = ['a', 'b', 'c', 'd'];

  test('[R8] cost two questions, however many: of the queue, and of all that has ended', () => {
    const ends = { ids: new Map([['b', 'b'], ['c', 'other']]), isAll: true }; // prettier-ignore
    const { outcomes, questions } = found({ queue: [queued('a')], ends }, ...many);
    expect(outcomes).toEqual({ a: 'a', b: 'b', c: 'other', d: 'nowhere' });
    expect(questions).toEqual(['queue', 'ends']);
  });

  test('[R10] that a longer history may have are asked for one by one, then for all their marks', () => {
    const ends = { ids: ids('b'), isAll: false };
    const { outcomes, questions } = found({ ends, ended: ['d'], renamed: { c: 'other' } }, ...many);
    expect(outcomes).toEqual({ a: 'nowhere', b: 'b', c: 'other', d: 'd' });
    expect(questions).toEqual(['queue', 'ends', 'one a', 'one c', 'one d', 'renamed a,c']);
  });

  test('are asked for one by one where the list cannot be read', () => {
    const { outcomes } = found({ ends: new Unreadable('too large', true), renamed: { c: 'other' } }, ...many);
    expect(outcomes).toEqual({ a: 'nowhere', b: 'nowhere', c: 'other', d: 'nowhere' });
  });

  test('[R15] are found though the page of one cannot be read', () => {
    expect(found({ ended: ['b'], unreadable: ['a'] }, 'a', 'b').outcomes).toEqual({ a: 'no JSON', b: 'b' });
  });
});
