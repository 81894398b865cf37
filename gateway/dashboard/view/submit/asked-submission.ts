import { signal } from '@preact/signals';
import type { Submission } from '../../live/api';
import { readFile } from '../../model/workflow-file/read-file';
import type { Reading } from '../../model/workflow-file/workflow-text';

/** A file and what is in it: read once, however often the dialog is drawn. */
export interface DroppedFile {
  readonly name: string;
  readonly reading: Reading;
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

export const readFiles = (files: Iterable<File>): Promise<readonly DroppedFile[]> =>
  Promise.all([...files].map(async (file) => ({ name: file.name, reading: await readFile(file) })));
