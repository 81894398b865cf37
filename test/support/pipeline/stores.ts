import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import type { JobStore } from '../../../sinks/job-store';
import type { Report } from '../../../streams/operators/reporting';

const folder = mkdtempSync(join(tmpdir(), 'stores-'));

/** An embedded store in a folder of its own, or in the one of this name. */
export function aStore(report: Report = () => undefined, name?: string): JobStore {
  if (name === undefined) return embeddedStore({ directory: mkdtempSync(join(folder, 'one-')), report });
  const directory = join(folder, name);
  mkdirSync(directory, { recursive: true });
  return embeddedStore({ directory, report });
}
