import { Subject } from 'rxjs';
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
