import { newKey, Refused, type Api, type Submission } from '../../live/api';
import { keepSubmission } from '../../live/jobs/own-submissions';
import { withNewSeeds } from '../../model/workflow-file/workflow-text';
import type { DroppedFile } from './asked-submission';
import type { Fields } from './submission-fields';

/** How often a submission is sent that gets no answer. Its key is the same each time, so that it runs once. */
const TRIES = 3;

/**
 * What was tried before. Tried again, a submission keeps its seeds and its key; one that has its job already, while
 * another failed, is not sent again.
 */
export type Tried = Map<string, Attempt>;

interface Attempt {
  readonly key: string;
  readonly submission: Submission;
  readonly promptId?: string;
}

export interface Outcome {
  /** The ids of the jobs, refused ones included. */
  readonly ids: readonly string[];
  /** How many of them ComfyUI refused. */
  readonly refused: number;
  /** Why other submissions made no job, a sentence each. */
  readonly troubles: readonly string[];
}

/**
 * Submits the workflows among the files, one after the other. A job that ComfyUI refused has an id too: its page says
 * why.
 */
export async function submitAll(
  api: Api,
  files: readonly DroppedFile[],
  fields: Fields,
  metadata: Submission['metadata'],
  tried: Tried,
): Promise<Outcome> {
  const ids: string[] = [];
  let refused = 0;
  const troubles: string[] = [];
  for (const [n, { name, reading }] of files.entries()) {
    if (reading.tag !== 'workflow') continue;
    // The same file may be given twice, to run twice.
    const alike = files.slice(0, n).filter((other) => isAlike(other, reading.workflow)).length;
    const what = JSON.stringify([fields, reading.workflow, alike]);
    const attempt: Attempt = tried.get(what) ?? {
      key: newKey(),
      submission: submissionOf(reading.workflow, fields, metadata),
    };
    if (attempt.promptId !== undefined) {
      ids.push(attempt.promptId);
      continue;
    }
    tried.set(what, attempt);
    try {
      const { promptId, isRefused } = await submitted(api, attempt.submission, attempt.key);
      if (isRefused) tried.delete(what);
      else tried.set(what, { ...attempt, promptId });
      keepSubmission(promptId, attempt.submission);
      ids.push(promptId);
      if (isRefused) refused += 1;
    } catch (error) {
      const why = error instanceof Refused ? error.message : unansweredWords(attempt.submission.workflow.length);
      troubles.push(files.length > 1 ? `${name}: ${why}` : why);
    }
  }
  if (troubles.length === 0) tried.clear();
  return { ids, refused, troubles };
}

const isAlike = ({ reading }: DroppedFile, workflow: string): boolean =>
  reading.tag === 'workflow' && reading.workflow === workflow;

const submissionOf = (
  workflow: string,
  { type, userId, characterId, server, newSeeds }: Fields,
  metadata: Submission['metadata'],
): Submission => ({
  workflow: newSeeds ? withNewSeeds(workflow, Math.random) : workflow,
  type: type.trim(),
  userId: userId.trim(),
  ...(characterId.trim() !== '' && { characterId: characterId.trim() }),
  ...(server !== '' && { server }),
  ...(metadata && { metadata }),
});

/**
 * Why no answer came. For a large workflow: the connection may be cut before the gateway can say that it is too large.
 */
const unansweredWords = (length: number): string =>
  length < BIG
    ? 'The gateway does not answer. Try again: it will not run twice.'
    : `The gateway does not answer, or takes no workflow of ${Math.ceil(length / 2 ** 20)} MiB. Try again: it will not run twice.`;

const BIG = 8 * 2 ** 20;

async function submitted(
  api: Api,
  submission: Submission,
  key: string,
): Promise<{ readonly promptId: string; readonly isRefused: boolean }> {
  for (let tries = 1; ; tries += 1) {
    try {
      const { promptId, failure } = await api.submit(submission, key);
      return { promptId, isRefused: failure?.kind === 'rejected' };
    } catch (error) {
      if (error instanceof Refused && error.promptId !== undefined)
        return { promptId: error.promptId, isRefused: true };
      if (error instanceof Refused || tries === TRIES) throw error;
    }
  }
}
