import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy } from '@fastify/busboy';
import type { Files } from './files';
import type { Response } from './routes';

/** `POST /upload/image` and `/upload/mask`: keeps the file, under a number where another one has its name. */
export async function upload(files: Files, bytes: Buffer, contentType: string): Promise<Response> {
  const { fields, file } = await read(bytes, contentType);
  if (file === undefined || file.name === '') return { status: 400 };
  const text = (name: string): string => fields.get(name) ?? '';
  const subfolder = text('subfolder');
  if (subfolder.split('/').includes('..') || subfolder.startsWith('/')) return { status: 400 };
  const { content } = file;
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

interface Form {
  readonly fields: ReadonlyMap<string, string>;
  readonly file?: { readonly name: string; readonly content: Buffer };
}

async function read(bytes: Buffer, contentType: string): Promise<Form> {
  const fields = new Map<string, string>();
  const chunks: Buffer[] = [];
  let name: string | undefined;
  const form = new Busboy({ headers: { 'content-type': contentType }, preservePath: true });
  form.on('field', (field: string, value: string) => fields.set(field, value));
  form.on('file', (_field: string, stream: Readable, filename: string) => {
    name = filename;
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  });
  await pipeline(Readable.from([bytes]), form);
  return { fields, ...(name !== undefined && { file: { name, content: Buffer.concat(chunks) } }) };
}
