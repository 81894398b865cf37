/** A number, also if it is written as text: ComfyUI takes `"20"` as a number, too. */
export function asNumber(value: number | string | undefined): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** Whether an input differs from run to run without changing the time: a seed, or a name. */
export const isSeed = (name: string): boolean => /seed|control_after_generate|filename_prefix|upload/i.test(name);
