import { signal } from '@preact/signals';

/** A short message about something that happened. It does not take the focus. */
export interface Notice {
  readonly id: number;
  readonly text: string;
  /** The job it is about. */
  readonly promptId?: string;
}

/** How long a notice stays: time to read it twice. */
const STAY_MS = 8000;
const MOST = 3;

export const notices = signal<readonly Notice[]>([]);
let last = 0;

export function notify(text: string, promptId?: string): void {
  const id = (last += 1);
  notices.value = [...notices.value, { id, text, ...(promptId !== undefined && { promptId }) }].slice(-MOST);
  setTimeout(() => dismiss(id), STAY_MS);
}

export const dismiss = (id: number): void => {
  notices.value = notices.value.filter((notice) => notice.id !== id);
};
