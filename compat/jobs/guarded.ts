/** Calls a handler of the application. If it throws or rejects, the console says so, and nothing else ends (R15). */
export function guarded(handler: () => unknown): void {
  const tell = (error: unknown): void => console.error('comfyui-jobstream: a handler threw', error);
  try {
    Promise.resolve(handler()).catch(tell);
  } catch (error) {
    tell(error);
  }
}
