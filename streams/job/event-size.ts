import { isFile, type JobOutput } from './job-state';
import type { JobEvent } from './job-event';

/** What an event takes in memory, in bytes: about, and never much less. Costs what its lists hold. */
export function eventBytes(event: JobEvent): number {
  switch (event.tag) {
    case 'snapshot':
      return event.nodes.reduce((sum, { id, parentId = '' }) => sum + 2 * (id.length + parentId.length) + 100, EMPTY);
    case 'cached':
      return event.nodeIds.reduce((sum, id) => sum + 2 * id.length + 20, EMPTY);
    case 'executed':
      return EMPTY + outputsBytes(event.outputs);
    case 'ended':
      return (
        EMPTY + outputsBytes(event.outputs ?? []) + ('kind' in event.outcome ? 1_000 : outputsBytes(event.outcome))
      );
    case 'broke':
    case 'refused':
      return EMPTY + 2 * event.failure.message.length;
    default:
      return EMPTY;
  }
}

/** An event without any list. */
const EMPTY = 200;

const outputsBytes = (outputs: readonly JobOutput[]): number =>
  outputs.reduce(
    (sum, output) =>
      sum + 100 + 2 * (isFile(output) ? output.filename.length + output.subfolder.length : output.text.length),
    0,
  );
