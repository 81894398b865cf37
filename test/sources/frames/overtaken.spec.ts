import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { publicJob } from '../../../gateway/wire/public-job';
import { recorded, type NodeHistory } from '../../../gateway/wire/node-history';
import type { Recorded } from '../../../scripts/recording/recording.codec';
import { recordingAt } from '../../../scripts/recording/recording-files';
import { replay, type Replayed } from '../../../scripts/replay';
import { recordings } from '../../support/replay/recordings';

const LONG = join(__dirname, '../../recordings/long');
const all: readonly (readonly [name: string, lines: readonly Recorded[]])[] = [
  ...recordings.map(({ name, lines }) => [name, lines] as const),
  ...readdirSync(LONG).map((file) => [file, recordingAt(join(LONG, file))] as const),
];

/** The states of each job. */
function byJob(changes: readonly Replayed[]): ReadonlyMap<string, readonly Replayed['state'][]> {
  const states = new Map<string, Replayed['state'][]>();
  for (const { state } of changes) states.set(state.promptId, [...(states.get(state.promptId) ?? []), state]);
  return states;
}

/** The nodes in the order in which each first had its turn: of those at work side by side, steps that nobody reads alternate. */
function nodesOf(states: readonly Replayed['state'][]): readonly string[] {
  const history = states
    .map((state) => publicJob(state, [], 'user'))
    .reduce<NodeHistory | undefined>((before, job) => recorded(before, job), undefined);
  return [...new Set((history?.turns ?? []).map(({ id, type, failed }) => `${id} ${type} ${String(failed)}`))];
}

const report = (where: string, error: unknown): never => {
  throw new Error(where, { cause: error });
};

test.each(all)('%s: ends alike, whether overtaken frames are read or not', (name, lines) => {
  const [every, newest] = [true, false].map((readsEvery) => byJob(replay(lines, report, undefined, { readsEvery })));
  expect([...newest!.keys()]).toEqual([...every!.keys()]);
  for (const [promptId, states] of newest!) {
    const others = every!.get(promptId)!;
    const [end, otherEnd] = [states.at(-1), others.at(-1)];
    const said = ({ status, phase, outputs, failure, nodeErrors, attempt }: Partial<Replayed['state']>) => ({
      status,
      phase,
      outputs,
      failure,
      nodeErrors,
      attempt,
    });
    expect(said(end!)).toEqual(said(otherEnd!));
    // A run that breaks off is as far as its last step, which may have come at another time.
    expect(Math.abs(end!.progress - otherEnd!.progress)).toBeLessThan(2);
    // Of a job that somebody else posted only snapshots come: a node that was over within a window is in none that is read.
    const seen = name.includes('broadcast') ? ['2 StepsWithProgress undefined'] : nodesOf(others);
    expect(nodesOf(states)).toEqual(seen);
    // [R2]
    states.slice(1).forEach((state, n) => expect(state.progress).toBeGreaterThanOrEqual(states[n]!.progress));
  }
});
