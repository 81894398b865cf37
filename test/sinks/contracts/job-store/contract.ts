import { theChanges } from './changes';
import { theFiles } from './files';
import { theHooks } from './hooks';
import { theLiveJobs } from './live-jobs';
import { openedStore, type Harness } from './opened-store';
import { thePages } from './pages';
import { theReservedNames } from './reserved-names';
import { theStates } from './states';
import { theWorkflows } from './workflows';

/** What every store keeps to. `open` gives an empty one. */
export function jobStoreContract(name: string, open: () => Promise<Harness>): void {
  describe(`${name}, as every store`, () => {
    const opened = openedStore(open);
    const parts = [
      ...[theStates, thePages, theLiveJobs, theFiles],
      ...[theWorkflows, theHooks, theReservedNames, theChanges],
    ];
    for (const part of parts) part(opened);
  });
}
