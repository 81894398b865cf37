import type { StoredFile } from './file-response';
import type { ImageValue } from '../nodes/image-value';
import { png } from '../nodes/png';

/** Where a file is, as nodes and `/view` name it. */
export interface FileRef {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: string;
}

const LARGEST = 512;

/** The server's disk: it outlives its process. */
export class Files {
  /** Uploaded files, by folder and name. */
  readonly uploads = new Map<string, Buffer>();
  private readonly images = new Map<string, ImageValue>();
  private readonly counters = new Map<string, number>();
  private readonly replaced = new Map<string, StoredFile>();
  private readonly started = new Date();

  /** Saves an image under the next number of its prefix, which may name a subfolder. */
  save(image: ImageValue, prefix: string, type: 'output' | 'temp', ending = 'png'): FileRef {
    const count = (this.counters.get(prefix) ?? 0) + 1;
    this.counters.set(prefix, count);
    const slash = prefix.lastIndexOf('/');
    const filename = `${prefix.slice(slash + 1)}_${String(count).padStart(5, '0')}_.${ending}`;
    const file = { filename, subfolder: prefix.slice(0, Math.max(slash, 0)), type };
    this.images.set(key(file), image);
    return file;
  }

  /** Replaces what a file holds. */
  replace(file: FileRef, bytes: Buffer, mimeType: string): void {
    this.replaced.set(key(file), { bytes, mimeType, modified: new Date() });
  }

  /** A file as it lies on the disk, or `undefined`. */
  stored(file: FileRef): StoredFile | undefined {
    const bytes = this.read(file);
    return this.replaced.get(key(file)) ?? (bytes && { bytes, mimeType: 'image/png', modified: this.started });
  }

  /** The PNG of a file that was saved, or `undefined`. */
  read(file: FileRef): Buffer | undefined {
    const uploaded = this.uploads.get(key(file));
    if (uploaded) return uploaded;
    const image = this.images.get(key(file));
    return image && png(Math.min(image.width, LARGEST), Math.min(image.height, LARGEST), image.color);
  }
}

const key = ({ type, subfolder, filename }: FileRef) => `${type}/${subfolder}/${filename}`;
