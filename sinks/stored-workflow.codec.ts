import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import { outlineOf, type Workflow } from '../streams/job/workflow';

/** How long a workflow is kept, in seconds: longer than any job, since nothing renews it. */
export const KEPT_S = 48 * 3600;

/** A job's workflow as the store keeps it, for whoever takes the job up. */
export interface KeptWorkflow {
  /**
   * `unposted`: nobody has heard yet that ComfyUI took it, and whoever takes the job up is to see to that. `whole`: for
   * another run. `outline`: what progress needs, and no more.
   */
  readonly tag: 'unposted' | 'whole' | 'outline';
  readonly workflow: Workflow;
}

/** What is worth keeping of a workflow that ComfyUI took: all of it only where there may be another run. */
export const keptOnce = (workflow: Workflow, mayRunAgain: boolean): KeptWorkflow =>
  mayRunAgain ? { tag: 'whole', workflow } : { tag: 'outline', workflow: outlineOf(workflow) };

const kept = t.type({
  tag: t.keyof({ unposted: null, whole: null, outline: null }),
  workflow: t.UnknownRecord,
});

/** Reads what was kept; nothing where somebody else wrote over it. */
export const decodeKept = (json: string): KeptWorkflow | undefined =>
  pipe(
    parse(json),
    E.flatMap((value) => kept.decode(value)),
    E.map((read) => read as KeptWorkflow),
    E.getOrElse((): KeptWorkflow | undefined => undefined),
  );
