import * as support from '../support/until';

/** @deprecated of test/support/until.ts */
export const until = (condition: () => boolean | Promise<boolean>, _withinMs?: number): Promise<void> =>
  support.until(condition);
