/** `"20"` is a number to ComfyUI too. */
export function asNumber(value: number | string | undefined): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** Whether an input is drawn anew for each run, or only a name. */
export const isSeed = (name: string): boolean => /seed|control_after_generate|filename_prefix|upload/i.test(name);
