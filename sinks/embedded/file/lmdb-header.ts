import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';

/** Where LMDB's meta pages begin, in pages. Each describes one of the last commits; LMDB uses the newest. */
const METAS = [0, 0.5, 1];
/** Offsets of fields in a meta page, whose header has 24 bytes. */
const AT = { magic: 24, version: 28, mapSize: 40, pageSize: 48, lastPage: 144 } as const;
const META_BYTES = 168;
const MAGIC = 0xbeefc0de;
/** The format that lmdb 3.5.6 writes, in the lower 16 bits of its field; the upper 16 hold flags. */
const VERSION = 2;
const CHUNK = 2 ** 20;

/**
 * Checks that LMDB can open a file. LMDB trusts the header blindly: a foreign file, one of another version and one cut
 * off ended the process by a signal. A file that a broken copy left too short is filled up with zeros: LMDB then
 * reports pages that are missing as corrupt, and never looks for pages that were not written yet. Throws an error that
 * says what is wrong.
 */
export function assertLmdb(path: string): void {
  const file = openSync(path, 'a+', 0o600);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error(`${path} is no regular file`);
    if (stat.size === 0) return;
    const pageSize = checkedPageSize(file, path);
    const needed = Math.max(...METAS.map((page) => bytesBy(file, page * pageSize)), 2 * pageSize);
    // Appends, as another process that has the file open may be writing to it now.
    for (let left = needed - stat.size; left > 0; left -= CHUNK) writeSync(file, Buffer.alloc(Math.min(left, CHUNK)));
  } finally {
    closeSync(file);
  }
}

function checkedPageSize(file: number, path: string): number {
  const meta = metaAt(file, 0);
  if (meta?.readUInt32LE(AT.magic) !== MAGIC)
    throw new Error(`${path} is not an LMDB file; move it away to start with an empty store`);
  const version = meta.readUInt16LE(AT.version);
  if (version !== VERSION)
    throw new Error(`${path} is an LMDB file of version ${version}, and ${VERSION} is read here`);
  const pageSize = meta.readUInt32LE(AT.pageSize);
  if (pageSize < 256 || pageSize > 65_536 || !Number.isInteger(Math.log2(pageSize)))
    throw new Error(
      `${path} is damaged: its pages cannot have ${pageSize} bytes; move it away to start with an empty store`,
    );
  return pageSize;
}

/** The file's length by a meta page, in bytes; 0 if it is no meta page, or names more bytes than its map has. */
function bytesBy(file: number, at: number): number {
  const meta = metaAt(file, at);
  if (meta?.readUInt32LE(AT.magic) !== MAGIC) return 0;
  const bytes = (meta.readBigUInt64LE(AT.lastPage) + 1n) * BigInt(meta.readUInt32LE(AT.pageSize));
  return bytes <= meta.readBigUInt64LE(AT.mapSize) ? Number(bytes) : 0;
}

/** The bytes of a meta page; `undefined` if the file ends before. */
function metaAt(file: number, at: number): Buffer | undefined {
  const meta = Buffer.alloc(META_BYTES);
  return readSync(file, meta, 0, META_BYTES, at) < META_BYTES ? undefined : meta;
}
