import { signal } from '@preact/signals';
import type { Submission } from '../../live/api';

export interface DroppedFile {
  readonly name: string;
  readonly text: string;
}

/** What the submit dialog starts with. */
export interface AskedSubmission {
  readonly files?: readonly DroppedFile[];
  /** A job that is to be run again: what it was submitted with, as far as known. */
  readonly again?: Partial<Submission> & { readonly type: string; readonly userId: string };
}

/** The submit dialog is open while there is one. */
export const asked = signal<AskedSubmission | undefined>(undefined);

export const askForWorkflow = (submission: AskedSubmission): void => {
  asked.value = submission;
};

/** A workflow is some hundred kilobytes; the gateway takes ten megabytes. */
const MOST_BYTES = 10 * 2 ** 20;

/** The files' texts; what is too big to be a workflow is read as empty. */
export const readFiles = (files: Iterable<File>): Promise<readonly DroppedFile[]> =>
  Promise.all(
    [...files].map(async (file) => ({ name: file.name, text: file.size > MOST_BYTES ? '' : await file.text() })),
  );
