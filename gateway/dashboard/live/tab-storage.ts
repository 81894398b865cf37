/** What this tab keeps over a reload, and nobody else gets: gone when it is closed. */
const PREFIX = 'comfyui-jobstream-';

/** What was kept under a name. Whoever asks knows what they kept. */
export function kept(name: string): unknown {
  try {
    const text = sessionStorage.getItem(PREFIX + name);
    return text === null ? undefined : (JSON.parse(text) as unknown);
  } catch {
    // Not allowed by the browser, or not ours.
    return undefined;
  }
}

/** Whether there was room for it. */
export function keep(name: string, value: unknown): boolean {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Forgets all that was kept: the next one at this tab may be somebody else. */
export function forgetAll(): void {
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(PREFIX)) sessionStorage.removeItem(name);
  } catch {
    // Then it is not kept either.
  }
}
