import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import { Problem } from '../../wire/problem';

/** The file of a form, and the fields before it. */
export interface FilePart {
  readonly filename: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Throws a `Problem` if the form is broken, or has a field or another file after the file. */
  readonly content: AsyncIterable<Buffer>;
}

const LIMITS = { fields: 10, fieldNameSize: 100, fieldSize: 1_000, files: 2, parts: 12, headerPairs: 20 };

/** Reads a `multipart/form-data` body as far as its file. Rejects with a `Problem`. */
export function filePart(request: IncomingMessage, chunks: AsyncIterable<Buffer>): Promise<FilePart> {
  return new Promise((resolve, reject) => {
    const form = formOf(request);
    const body = Readable.from(chunks, { objectMode: false });
    const fields: Record<string, string> = Object.create(null) as Record<string, string>;
    let file: Readable | undefined;
    let late: Problem | undefined;
    const failed = (error: unknown): void => {
      const problem = error instanceof Problem ? error : broken();
      reject(problem);
      file?.destroy(problem);
      body.destroy();
    };
    form.on('field', (name: string, value: string, _isNameCut: boolean, isCut: boolean) => {
      if (file !== undefined) late ??= refused(name, 'must come before the file');
      else if (name in fields) failed(refused(name, 'is given twice'));
      else if (isCut) failed(refused(name, `has more than ${LIMITS.fieldSize} bytes`));
      else fields[name] = value;
    });
    const tooMany = new Problem('bad-request', { detail: `A form may have ${LIMITS.fields} fields and a file.` });
    for (const limit of ['fieldsLimit', 'partsLimit'] as const) form.once(limit, () => failed(tooMany));
    form.on('file', (name: string, stream: Readable, filename: string | undefined) => {
      stream.on('error', () => undefined);
      if (file !== undefined) {
        late ??= refused(name, 'is a second file; send one at a time');
        stream.resume();
        return;
      }
      file = stream;
      const ended = new Promise<void>((done) => form.once('finish', done).once('error', done));
      resolve({ filename: filename ?? '', fields, content: whole(stream, ended, () => late, body) });
    });
    form.once('error', failed);
    body.once('error', failed);
    form.once('finish', () => {
      if (file === undefined) failed(new Problem('bad-request', { detail: 'The form has no file.' }));
    });
    body.pipe(form);
  });
}

/** Yields the file, and then throws if the form had anything after it. */
async function* whole(
  file: Readable,
  ended: Promise<void>,
  late: () => Problem | undefined,
  body: Readable,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of file) yield chunk as Buffer;
    await ended;
    const problem = late();
    if (problem !== undefined) throw problem;
  } finally {
    body.destroy();
  }
}

function formOf({ headers }: IncomingMessage): Busboy {
  try {
    return new Busboy({ headers: headers as BusboyHeaders, limits: LIMITS, preservePath: true });
  } catch {
    throw broken();
  }
}

const broken = (): Problem => new Problem('bad-request', { detail: 'The form could not be read, or ended early.' });

const refused = (name: string, message: string): Problem => {
  const field = name.slice(0, 100);
  return new Problem('bad-request', { detail: `${field} ${message}.`, errors: [{ field, message }] });
};
