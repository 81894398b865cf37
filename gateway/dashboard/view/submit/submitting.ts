import { newKey, Refused, type Api, type Submission } from '../../live/api';
import { keepSubmission } from '../../live/own-submissions';
import { withNewSeeds, type Reading, type WorkflowJson } from '../../model/workflow-file';
import type { Fields } from './submission-fields';

export interface ReadFile {
  readonly name: string;
  readonly reading: Reading;
}

/** A request that got no answer is repeated under the same key, which runs nothing twice. */
const TRIES = 3;

/** What was tried and got no answer: tried once more it is the same, seeds and key included. */
export type Tried = Map<string, { readonly key: string; readonly submission: Submission }>;

/** Submits the workflows among these, one after the other. A job that ComfyUI refused is a job too: its page tells why. */
export async function submitAll(
  api: Api,
  files: readonly ReadFile[],
  fields: Fields,
  metadata: Submission['metadata'],
  tried: Tried,
): Promise<{ readonly ids: readonly string[]; readonly troubles: readonly string[] }> {
  const ids: string[] = [];
  const troubles: string[] = [];
  for (const { name, reading } of files) {
    if (reading.tag !== 'workflow') continue;
    const what = JSON.stringify([fields, reading.workflow]);
    const attempt = tried.get(what) ?? { key: newKey(), submission: submissionOf(reading.workflow, fields, metadata) };
    tried.set(what, attempt);
    try {
      const promptId = await submitted(api, attempt.submission, attempt.key);
      tried.delete(what);
      keepSubmission(promptId, attempt.submission);
      ids.push(promptId);
    } catch (error) {
      const why =
        error instanceof Refused ? error.message : 'The gateway does not answer. Try again: it will not run twice.';
      troubles.push(files.length > 1 ? `${name}: ${why}` : why);
    }
  }
  return { ids, troubles };
}

const submissionOf = (
  workflow: WorkflowJson,
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

async function submitted(api: Api, submission: Submission, key: string): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return (await api.submit(submission, key)).promptId;
    } catch (error) {
      if (error instanceof Refused && error.promptId !== undefined) return error.promptId;
      if (error instanceof Refused || tries === TRIES) throw error;
    }
  }
}
