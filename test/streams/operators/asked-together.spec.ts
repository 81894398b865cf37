import { asyncScheduler, of, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { askedTogether } from '../../../streams/operators/asked-together';

const marbles = (): TestScheduler => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));

/** Asks for keys at their times, and tells which questions were put, and when. */
function asking(answer: (keys: readonly string[]) => Observable<string> = (keys) => of(keys.join(''))) {
  const questions: string[] = [];
  const asked = askedTogether(
    (keys: readonly string[]) => {
      questions.push(`${asyncScheduler.now()} ${keys.join('')}`);
      return answer(keys);
    },
    10,
    asyncScheduler,
  );
  return { asked, questions };
}

test('asks at once where nobody asked before, and once for all who come in the same moment', () => {
  const { asked, questions } = asking();
  marbles().run(({ expectObservable, flush }) => {
    expectObservable(asked('a')).toBe('(x|)', { x: 'ab' });
    expectObservable(asked('b')).toBe('(x|)', { x: 'ab' });
    flush();
    expect(questions).toEqual(['0 ab']);
  });
});

test('has those who come after a question wait, and asks for all of them together', () => {
  const { asked, questions } = asking();
  marbles().run(({ expectObservable, flush }) => {
    expectObservable(asked('a')).toBe('(x|)', { x: 'a' });
    expectObservable(asked('b'), '  -- ^').toBe('10ms (x|)', { x: 'bc' });
    expectObservable(asked('c'), '  9ms ^').toBe('10ms (x|)', { x: 'bc' });
    expectObservable(asked('d'), '  40ms ^').toBe('40ms (x|)', { x: 'd' });
    flush();
    expect(questions).toEqual(['0 a', '10 bc', '40 d']);
  });
});

test('gives an answer to those alone who came before its question was put', () => {
  marbles().run(({ cold, expectObservable, flush }) => {
    const slow = asking((keys) => cold('15ms (x|)', { x: keys.join('') }));
    expectObservable(slow.asked('a')).toBe('15ms (x|)', { x: 'a' });
    expectObservable(slow.asked('b'), '5ms ^').toBe('25ms (x|)', { x: 'b' });
    expectObservable(slow.asked('c'), '12ms ^').toBe('35ms (x|)', { x: 'c' });
    flush();
    expect(slow.questions).toEqual(['0 a', '10 b', '20 c']);
  });
});

test('tells all of them what went wrong, and asks again for who comes then', () => {
  marbles().run(({ cold, expectObservable, flush }) => {
    const answers = [cold('#', {}, 'gone'), cold('(x|)', { x: 'there' })];
    const { asked, questions } = asking(() => answers.shift()!);
    expectObservable(asked('a')).toBe('#', {}, 'gone');
    expectObservable(asked('b')).toBe('#', {}, 'gone');
    expectObservable(asked('c'), '5ms ^').toBe('10ms (x|)', { x: 'there' });
    flush();
    expect(questions).toEqual(['0 ab', '10 c']);
  });
});

test('asks for what one still waits for though another has gone who wanted the same', () => {
  const { asked, questions } = asking();
  marbles().run(({ expectObservable, flush }) => {
    expectObservable(asked('a')).toBe('(x|)', { x: 'a' });
    expectObservable(asked('b'), '2ms ^ 2ms !').toBe('-');
    expectObservable(asked('b'), '3ms ^').toBe('10ms (x|)', { x: 'b' });
    expectObservable(asked('b'), '4ms ^').toBe('10ms (x|)', { x: 'b' });
    flush();
    expect(questions).toEqual(['0 a', '10 b']);
  });
});

test('does not ask for who has gone meanwhile, nor at all where all have', () => {
  const { asked, questions } = asking();
  marbles().run(({ expectObservable, flush }) => {
    expectObservable(asked('a')).toBe('(x|)', { x: 'a' });
    expectObservable(asked('b'), '2ms ^ 2ms !').toBe('-');
    expectObservable(asked('c'), '3ms ^').toBe('10ms (x|)', { x: 'c' });
    expectObservable(asked('d'), '12ms ^ 2ms !').toBe('-');
    expectObservable(asked('e'), '30ms ^').toBe('30ms (x|)', { x: 'e' });
    flush();
    expect(questions).toEqual(['0 a', '10 c', '30 e']);
  });
});
