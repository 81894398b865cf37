/** How many slots a cluster has. */
export const SLOTS = 16_384;

/** CRC16/XMODEM by byte, as the Redis Cluster specification has it. */
const CRC16 = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

/**
 * The slot of a key or sharded channel in a cluster: that of the text in its first braces, or of all of it if there is
 * none.
 */
export function keySlot(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) crc = ((crc << 8) & 0xffff) ^ (CRC16[(crc >> 8) ^ byte] ?? 0);
  return crc % SLOTS;
}

/** A key for what belongs to `key`, in the same slot. */
export const keyBeside = (key: string, name: string): string =>
  // A brace in `key` would end the outer braces, and so change the slot: a number of the same slot goes there instead.
  // Both forms match the patterns of `RIGHTS`.
  /[{}]/.test(key) ? `jobstream:{${tagIn(keySlot(key))}}:${key}:${name}` : `{${key}}:${name}`;

/** The least number whose digits are in a slot. */
function tagIn(slot: number): number {
  let tag = 0;
  while (keySlot(`${tag}`) !== slot) tag++;
  return tag;
}
