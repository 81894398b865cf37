import { Subject, of } from 'rxjs';
import { TooManyJobs } from '../../../pipeline/api';
import { withinLimits } from '../../../pipeline/submit/user-limits';
import type { Usage } from '../../../sinks/job-store';
import { skippingErrors } from '../../../streams/operators/reporting';

const turn = (): Promise<void> => new Promise(setImmediate);

test('[R17] the store is asked one thing at a time of a user; those who come meanwhile share the next question', async () => {
  const questions: { readonly besides: readonly string[]; readonly answer: () => void }[] = [];
  const usage = (_userId: string, besides: readonly string[] = []) => {
    const usage$ = new Subject<Usage>();
    const answer = (): void => {
      usage$.next({ jobs: 0, bytes: 0 });
      usage$.complete();
    };
    questions.push({ besides, answer });
    return usage$;
  };
  const admitted = withinLimits({
    board: { countOfUser: () => 0, nodesOfUser: () => 0 },
    store: { usage },
    limits: { jobs: 10, bytes: 10, nodes: 10 },
    attempted: skippingErrors('store', () => undefined),
  });
  const begun: string[] = [];
  const begin = (promptId: string, userId = 'ada'): void => {
    void admitted({ promptId, userId, bytes: 1, nodes: () => 1 }).then(() => begun.push(promptId));
  };
  const asked = () => questions.map(({ besides }) => besides);
  begin('a');
  await turn();
  for (const promptId of ['b', 'c']) begin(promptId);
  await turn();
  expect(asked()).toEqual([['a']]);
  begin('of bob', 'bob');
  await turn();
  expect(asked()).toEqual([['a'], ['of bob']]);
  questions[0]?.answer();
  await turn();
  begin('d');
  await turn();
  expect([asked(), begun]).toEqual([[['a'], ['of bob'], ['a', 'b', 'c']], ['a']]);
  questions[2]?.answer();
  await turn();
  expect([asked().at(-1), begun]).toEqual([
    ['a', 'b', 'c', 'd'],
    ['a', 'b', 'c'],
  ]);
});

test('that a job’s beginning is over is said as often as one likes, and ends no other’s', async () => {
  const admitted = withinLimits({
    board: { countOfUser: () => 0, nodesOfUser: () => 0 },
    store: { usage: () => of({ jobs: 0, bytes: 0 }) },
    limits: { jobs: 1, bytes: 10, nodes: 10 },
    attempted: skippingErrors('store', () => undefined),
  });
  const begin = (promptId: string) => admitted({ promptId, userId: 'ada', bytes: 1, nodes: () => 1 });
  const over = await begin('a');
  over();
  const last = await begin('b');
  over();
  await expect(begin('c')).rejects.toThrow(TooManyJobs);
  last();
  await expect(begin('c')).resolves.toBeDefined();
});
