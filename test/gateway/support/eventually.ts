import * as support from '../../support/until';

/** @deprecated of test/support/until.ts */
export const eventually = (
  expectation: () => void,
  _withinMs?: number,
  look: () => Promise<void> = () => Promise.resolve(),
): Promise<void> =>
  support.eventually(async () => {
    await look();
    expectation();
  });
