/** Is in every secret of the tests: whatever shows it has told one. */
const MARK = 'canary0f7e';

const watched = new Set([MARK]);
const found: string[] = [];

/** A secret of at least 32 bytes that is looked for wherever the tests look at what is told. */
export const canary = (name: string): string => `${MARK}-${name}-0123456789abcdef0123`;

/** Has another text looked for, such as a form in which a secret travels. Gives it back. */
export function watchFor(secret: string): string {
  watched.add(secret);
  return secret;
}

/** Notes each secret that a text tells: logs, answers, what is stored. */
export function lookThrough(where: string, text: string): void {
  for (const secret of watched) {
    const at = text.indexOf(secret);
    if (at >= 0) found.push(`${where}: ${text.slice(Math.max(0, at - 120), at + secret.length + 40)}`);
  }
}

/** What told a secret so far. */
export const leaks = (): readonly string[] => found;
