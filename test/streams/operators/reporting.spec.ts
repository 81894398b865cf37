import { cold } from 'jest-marbles';
import { EMPTY, throwError } from 'rxjs';
import { reporting, reportingOutages } from '../../../streams/operators/reporting';

const values = { a: { frame: 'a' }, b: { frame: 'b' } };

test('[R9] tells an error and where, and passes it on', () => {
  const told: unknown[] = [];
  const source$ = cold('  -a-b-#', values, 'cut off');
  const expected$ = cold('-a-b-#', values, 'cut off');
  const reported$ = source$.pipe(reporting('socket', (where, error) => told.push([where, error])));
  expect(reported$).toBeObservable(expected$);
  expect(source$).toSatisfyOnFlush(() => expect(told).toEqual([['socket', 'cut off']]));
});

test('tells nothing of an end', () => {
  const told: unknown[] = [];
  const source$ = cold('  -a-|', values);
  const expected$ = cold('-a-|', values);
  expect(source$.pipe(reporting('socket', (where) => told.push(where)))).toBeObservable(expected$);
  expect(source$).toSatisfyOnFlush(() => expect(told).toEqual([]));
});

test('tells of an outage once, until a source completes, and of every other error', () => {
  const told: string[] = [];
  const isOutage = (error: unknown): boolean => (error as Error).message === 'away';
  const reported = reportingOutages('store', (_where, error) => told.push((error as Error).message), isOutage);
  const failing = (message: string): void => {
    throwError(() => new Error(message))
      .pipe(reported())
      .subscribe({ error: () => undefined });
  };
  failing('away');
  failing('away');
  failing('refused');
  failing('away');
  EMPTY.pipe(reported()).subscribe();
  failing('away');
  expect(told).toEqual(['away', 'refused', 'away']);
});
