import { bounds } from '../bounds';

/**
 * What a job's id may look like, everywhere: 1 to 128 letters, digits, `_`, `-` and `.`, the first no `.`. So it fits a
 * URL's path, a header and a store's key. Ours are UUIDs; for jobs that others post, older ComfyUI takes any id.
 */
export const PROMPT_ID = /^[\w-][\w.-]{0,127}$/;

export const isPromptId = (text: string): boolean => PROMPT_ID.test(text);

/**
 * Whether a server's id of a run is plausible: 1 to 200 characters without slashes, control characters and lone
 * surrogates. It is only shown, and asked for at that server.
 */
export const isRunId = (id: string): boolean =>
  id.length > 0 && id.length <= bounds.runIdLength && !/[\u0000-\u001f\u007f/\\]|\p{Surrogate}/u.test(id);
