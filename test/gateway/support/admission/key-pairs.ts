import { generateKeyPair, type GenerateKeyPairResult } from 'jose';

const made = new Map<string, Promise<GenerateKeyPairResult>>();

/** Somebody's keys for that algorithm, the same whenever a spec asks: an RSA pair takes a quarter of a second of a processor. */
export function keyPair(alg: string, whose: string): Promise<GenerateKeyPairResult> {
  const name = `${alg} ${whose}`;
  const pair = made.get(name) ?? generateKeyPair(alg, { extractable: true });
  made.set(name, pair);
  return pair;
}
