import { bounds } from '../bounds';

/**
 * Whether a server's id of a run is plausible: 1 to 200 characters without slashes, control characters and lone
 * surrogates, so that it fits a URL's path and a store's key.
 */
export const isRunId = (id: string): boolean =>
  id.length > 0 && id.length <= bounds.runIdLength && !/[\u0000-\u001f\u007f/\\]|\p{Surrogate}/u.test(id);
