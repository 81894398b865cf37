import { harmless } from '../../sinks/harmless';

test('[R15] whatever is thrown by whom we tell, even what has no words, ends nothing, and Node warns of it once', () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const heard: number[] = [];
  const told = harmless('report', (n: number) => {
    heard.push(n);
    throw Object.create(null);
  });
  told(1);
  told(2);
  expect(heard).toEqual([1, 2]);
  expect(warned.mock.calls.map(([words]) => words)).toEqual(['report threw, which changes nothing here: object']);
});
