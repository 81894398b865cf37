const TIMES = Number(process.env['FUZZ_TIMES'] ?? 1);

/** How often a property is tried: so often every day, and `FUZZ_TIMES` as often in `npm run fuzz:properties`. */
export const runs = (everyday: number): number => everyday * TIMES;
