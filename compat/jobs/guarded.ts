/** Calls a handler of the application, whose mistake is its own (R15): it is told on the console, and costs nobody else anything. */
export function guarded(handler: () => unknown): void {
  const tell = (error: unknown): void => console.error('comfyui-jobstream: a handler threw', error);
  try {
    Promise.resolve(handler()).catch(tell);
  } catch (error) {
    tell(error);
  }
}
