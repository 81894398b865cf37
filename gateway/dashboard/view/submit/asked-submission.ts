import { signal } from '@preact/signals';
import type { Submission } from '../../live/api';
import { readFile } from '../../model/workflow-file/read-file';
import type { Reading } from '../../model/workflow-file/workflow-text';

/** A dropped file, read once, and not again with each drawing of the dialog. */
export interface DroppedFile {
  readonly name: string;
  readonly reading: Reading;
}

/** The content that the submit dialog opens with. */
export interface AskedSubmission {
  readonly files?: readonly DroppedFile[];
  /** The submission to run again, as far as this tab knows it. */
  readonly again?: Partial<Submission> & { readonly type: string; readonly userId: string };
}

/** The submit dialog's content; the dialog is open while it is set. */
export const asked = signal<AskedSubmission | undefined>(undefined);

export const askForWorkflow = (submission: AskedSubmission): void => {
  asked.value = submission;
};

export const readFiles = (files: Iterable<File>): Promise<readonly DroppedFile[]> =>
  Promise.all([...files].map(async (file) => ({ name: file.name, reading: await readFile(file) })));
