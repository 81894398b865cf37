import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import { outlineOf, type Prompt } from '../streams/job/workflow';

/** How long a workflow is kept after its job was last written, in seconds: longer than the state, for whoever writes that late. */
export const KEPT_S = 6 * 3600;

/** A job's workflow as the store keeps it, for whoever takes the job up. */
export interface StoredWorkflow {
  /**
   * `unposted`: nobody has heard yet that ComfyUI took it, and whoever takes the job up is to see to that. `whole`: for
   * another run. `outline`: what progress needs, and no more.
   */
  readonly tag: 'unposted' | 'whole' | 'outline';
  readonly prompt: Prompt;
}

/** What is worth keeping of a workflow that ComfyUI took: all of it only where there may be another run. */
export const oncePosted = (prompt: Prompt, mayRunAgain: boolean): StoredWorkflow =>
  mayRunAgain ? { tag: 'whole', prompt } : { tag: 'outline', prompt: outlineOf(prompt) };

const stored = t.type({
  tag: t.keyof({ unposted: null, whole: null, outline: null }),
  prompt: t.intersection([
    t.type({ workflow: t.string }),
    t.partial({
      extraData: t.string,
      front: t.boolean,
      number: t.number,
      partialExecutionTargets: t.array(t.string),
    }),
  ]),
});

/** Reads what was kept; nothing where somebody else wrote over it. */
export const decodeStoredWorkflow = (json: string): StoredWorkflow | undefined =>
  pipe(
    parse(json),
    E.flatMap((value) => stored.decode(value)),
    E.map((read) => read as StoredWorkflow),
    E.getOrElse((): StoredWorkflow | undefined => undefined),
  );
