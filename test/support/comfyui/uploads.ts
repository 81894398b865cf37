import type { Files } from './files';
import type { Response } from './routes';

/** `POST /upload/image` and `/upload/mask`: keeps the file, under a number where another one has its name. */
export async function upload(files: Files, bytes: Buffer, contentType: string): Promise<Response> {
  const form = await new globalThis.Response(new Uint8Array(bytes), { headers: { 'content-type': contentType } })
    .formData()
    .catch(() => undefined);
  const file = form?.get('image');
  if (form === undefined || !(file instanceof File) || file.name === '') return { status: 400 };
  const text = (name: string): string => {
    const value = form.get(name);
    return typeof value === 'string' ? value : '';
  };
  const subfolder = text('subfolder');
  if (subfolder.split('/').includes('..') || subfolder.startsWith('/')) return { status: 400 };
  const content = Buffer.from(await file.arrayBuffer());
  const at = (name: string) => `input/${subfolder}/${name}`;
  const original = text('original_ref');
  if (original !== '' && !files.uploads.has(at((JSON.parse(original) as { filename: string }).filename)))
    return { status: 404 };
  let name = file.name;
  const [, stem = name, extension = ''] = /^(.*?)(\.[^.]*)?$/.exec(name) ?? [];
  const isTaken = (): boolean => files.uploads.get(at(name))?.equals(content) === false;
  for (let n = 1; text('overwrite') !== 'true' && isTaken(); n += 1) name = `${stem} (${n})${extension}`;
  files.uploads.set(at(name), content);
  return { status: 200, json: { name, subfolder, type: 'input' } };
}
