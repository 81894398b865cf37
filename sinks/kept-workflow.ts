import { parse } from 'fp-ts/Json';
import { isRight } from 'fp-ts/Either';
import type { Workflow } from '../streams/workflow';

/** How long a workflow is kept, in seconds: longer than any job, since nothing renews it. */
export const KEPT_S = 48 * 3600;

/** What was kept; nothing where somebody else wrote over it. */
export function workflowOf(json: string): Workflow | undefined {
  const read = parse(json);
  const isWorkflow =
    isRight(read) && typeof read.right === 'object' && read.right !== null && !Array.isArray(read.right);
  return isWorkflow ? (read.right as unknown as Workflow) : undefined;
}
