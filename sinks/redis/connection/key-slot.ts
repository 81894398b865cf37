/** A cluster's slots. */
export const SLOTS = 16_384;

/** CRC16/XMODEM by byte, as the Redis Cluster specification has it. */
const CRC16 = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

/** Which of a cluster's slots a key or sharded channel is in: that of what its first braces hold, if that is anything. */
export function keySlot(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) crc = ((crc << 8) & 0xffff) ^ (CRC16[(crc >> 8) ^ byte] ?? 0);
  return crc % SLOTS;
}

/** The key, in the slot of another, of what belongs to it. */
export const keyBeside = (key: string, name: string): string =>
  // Braces within would end the outer ones, and be a slot of their own. Either way it is one of the keys that are ours.
  /[{}]/.test(key) ? `jobstream:{${tagIn(keySlot(key))}}:${key}:${name}` : `{${key}}:${name}`;

/** The least number whose digits are in that slot. */
function tagIn(slot: number): number {
  let tag = 0;
  while (keySlot(`${tag}`) !== slot) tag++;
  return tag;
}
