import type { Submission } from '../api';
import { keep, kept } from '../tab-storage';

/**
 * What this tab submitted, so that it can be run again: the service gives out no workflows. After a reload only the
 * newest 20 are left that have at most 150,000 characters each.
 */
const LIST = 'submitted';
const MOST_KEPT = 20;
const MOST_CHARACTERS = 150_000;

const submitted = new Map<string, Submission>(kept(LIST) as [string, Submission][] | undefined);

export function keepSubmission(promptId: string, submission: Submission): void {
  submitted.set(promptId, submission);
  const small = [...submitted].filter(([, one]) => JSON.stringify(one).length <= MOST_CHARACTERS);
  keep(LIST, small.slice(-MOST_KEPT));
}

/** Call it when the person signs out. */
export const forgetSubmissions = (): void => submitted.clear();

export const submissionOf = (promptId: string): Submission | undefined => submitted.get(promptId);
