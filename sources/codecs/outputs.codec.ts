import * as t from 'io-ts';
import type { JobOutput } from '../../streams/job/job-state';

const file = t.intersection([t.type({ filename: t.string }), t.partial({ subfolder: t.string, type: t.string })]);

/** The files in one node's output, `{images: [{filename, subfolder, type}], …}`. What is no file (text, flags) is passed over. */
export function outputsOf(nodeId: string, output: unknown): readonly JobOutput[] {
  if (!t.UnknownRecord.is(output)) return [];
  return Object.entries(output).flatMap(([kind, items]) =>
    (Array.isArray(items) ? items : [])
      .filter((item) => file.is(item))
      .map(({ filename, subfolder = '', type = 'output' }) => ({ nodeId, kind, filename, subfolder, type })),
  );
}

/** The files of all nodes, as history holds them. */
export const allOutputsOf = (outputs: Readonly<Record<string, unknown>>): readonly JobOutput[] =>
  Object.entries(outputs).flatMap(([nodeId, output]) => outputsOf(nodeId, output));
