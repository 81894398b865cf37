import { isRight } from 'fp-ts/Either';
import { decodeFrame, idText } from '../../sources/codecs/frame.codec';

import type { Recorded } from '../recording/recording.codec';

/** What was shown from when on, in percent. */
export type Curve = readonly (readonly [t: number, percent: number])[];

/** What a bar in use elsewhere would have shown of one run. */
export type Formula = (recorded: readonly Recorded[], promptId: string) => Curve;

interface Seen {
  readonly done: Set<string>;
  readonly cached: Set<string>;
  readonly values: Map<string, readonly [value: number, max: number]>;
  current: string | undefined;
}

/** Whatever a client counts with: nodes done, and the steps of those that count. */
const counting =
  (share: (seen: Seen, all: number) => number): Formula =>
  (recorded, promptId) => {
    const all = Object.keys(workflowOf(recorded, promptId)).length;
    const seen: Seen = { done: new Set(), cached: new Set(), values: new Map(), current: undefined };
    const curve: [number, number][] = [];
    for (const line of recorded) {
      if (!('text' in line)) continue;
      const frame = decodeFrame(line.text);
      if (!isRight(frame) || frame.right === undefined || !note(seen, frame.right, promptId)) continue;
      curve.push([line.t, Math.min(100, 100 * share(seen, Math.max(1, all)))]);
    }
    return curve;
  };

type Frame = Extract<ReturnType<typeof decodeFrame>, { _tag: 'Right' }>['right'];

/** Notes what a frame of this run says; whether it does. */
function note(seen: Seen, frame: NonNullable<Frame>, promptId: string): boolean {
  if (!('prompt_id' in frame.data) || frame.data.prompt_id !== promptId) return false;
  switch (frame.type) {
    case 'execution_cached':
      for (const id of frame.data.nodes) seen.cached.add(idText(id));
      return true;
    case 'executing':
      if (seen.current !== undefined) seen.done.add(seen.current);
      seen.current = frame.data.node == null ? undefined : idText(frame.data.node);
      return true;
    case 'progress':
      seen.values.set(idText(frame.data.node ?? ''), [frame.data.value ?? 0, frame.data.max ?? 0]);
      return true;
    default:
      return false;
  }
}

function workflowOf(recorded: readonly Recorded[], promptId: string): object {
  for (const line of recorded) {
    if (!('http' in line) || line.http.method !== 'POST' || line.http.path !== '/prompt') continue;
    const { body, response } = line.http as { body?: { prompt?: object }; response?: { prompt_id?: string } };
    if (response?.prompt_id === promptId) return body?.prompt ?? {};
  }
  return {};
}

const running = ({ values, current }: Seen): number => {
  const [value, max] = values.get(current ?? '') ?? [0, 1];
  return max > 0 ? Math.min(1, value / max) : 0;
};
const nodesDone = ({ done, cached }: Seen): number => done.size + cached.size;
const steps = ({ values }: Seen): number => {
  let [done, all] = [0, 0];
  for (const [value, max] of values.values()) [done, all] = [done + value, all + max];
  return all > 0 ? done / all : 0;
};

export const elsewhere: Readonly<Record<string, Formula>> = {
  'finished ÷ all': counting((seen, all) => nodesDone(seen) / all),
  '(finished + running) ÷ all': counting((seen, all) => (nodesDone(seen) + running(seen)) / all),
  'Σ value ÷ Σ max': counting(steps),
  '0.2 · nodes + 0.8 · steps': counting((seen, all) => (0.2 * nodesDone(seen)) / all + 0.8 * steps(seen)),
};
