/** Names in `sessionStorage`, which belongs to this tab, survives a reload, and is deleted when the tab is closed. */
const PREFIX = 'comfyui-jobstream-';

/** The value kept under a name, unchecked; `undefined` if there is none. */
export function kept(name: string): unknown {
  try {
    const text = sessionStorage.getItem(PREFIX + name);
    return text === null ? undefined : (JSON.parse(text) as unknown);
  } catch {
    // The browser allows no storage, or the text is no JSON.
    return undefined;
  }
}

/** Keeps a value; returns whether the browser allowed it and had room. */
export function keep(name: string, value: unknown): boolean {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Forgets all that was kept: the next user of this tab may be somebody else. */
export function forgetAll(): void {
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(PREFIX)) sessionStorage.removeItem(name);
  } catch {
    // The browser allows no storage, so nothing was kept.
  }
}
