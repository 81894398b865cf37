import { StoreUnavailable } from '../../job-store';

/** Whether a command failed because a key holds another type than it works on. */
export const isWrongType = (error: unknown): boolean =>
  error instanceof StoreUnavailable && error.message.includes('WRONGTYPE');
