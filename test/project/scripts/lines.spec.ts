import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { refuseUnknown } from '../../../streams/options';

/** Which line of a file this is, of those that hold it the first. */
const lineOf = (file: string, text: string): number =>
  readFileSync(file, 'utf8')
    .split('\n')
    .findIndex((line) => line.includes(text)) + 1;

test('an error names the lines as they were written, of a spec and of what ships', () => {
  let stack = '';
  try {
    refuseUnknown({ odd: 1 }, {});
  } catch (error) {
    stack = (error as Error).stack ?? '';
  }
  const shipped = join(__dirname, '../../../streams/options.ts');
  expect(stack).toContain(`${shipped}:${lineOf(shipped, 'is no option')}`);
  expect(stack).toContain(`${__filename}:${lineOf(__filename, 'odd: 1')}`);
});
