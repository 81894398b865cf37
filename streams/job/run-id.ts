import { bounds } from '../bounds';

/** Whether a server's id of a run has the shape of ComfyUI's: short, and fit to stand in a path and a key. A lone surrogate is no text: it fits no URL. */
export const isRunId = (id: string): boolean =>
  id.length > 0 && id.length <= bounds.runIdLength && !/[\u0000-\u001f\u007f/\\]|\p{Surrogate}/u.test(id);
