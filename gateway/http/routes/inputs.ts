import { Router, type Request } from 'express';
import type { InputUpload, Pipeline } from '../../../pipeline/api';
import type { Admission } from '../../admission/admission';
import type { Viewer } from '../../admission/auth/auth';
import { Problem } from '../../wire/problem';
import { filePart, type FilePart } from '../bodies/file-part';
import { asNamed } from '../bodies/media-type';
import { chunksOf } from '../bodies/reading';
import type { Turns } from '../bodies/turns';
import { badFields, orBadFields } from '../requests/fields/bad-fields';
import { refuseUrlOfServer } from '../requests/server-name';
import { inputQuery, type InputQuery } from '../requests/input-request.codec';
import { authenticated, onlyMethods, type ViewerHandler } from './middleware';

export interface InputsOptions {
  readonly mostBytes: number;
  readonly weigh: Admission['weigh'];
  readonly inTurn: Turns;
}

/** `POST /inputs`: a file for workflows to read, passed on to ComfyUI as it comes. */
export const inputsRoute = (pipeline: Pipeline, options: InputsOptions): Router => {
  const router = Router();
  router.route('/inputs').post(authenticated, uploading(pipeline, options)).all(onlyMethods('POST'));
  return router;
};

const uploading =
  (pipeline: Pipeline, { mostBytes, weigh, inTurn }: InputsOptions): ViewerHandler =>
  async (request, response) => {
    const { viewer } = response.locals;
    const asked = orBadFields(inputQuery(request.query));
    const { server, ...stored } = await inTurn(viewer, async () => {
      const chunks = chunksOf(request, { mostBytes, weigh: (bytes) => weigh(viewer, bytes) });
      try {
        refuseUrlOfServer(viewer, asked.server, pipeline);
        const file = await fileOf(request as Request, chunks, asked, viewer);
        refuseUrlOfServer(viewer, file.server, pipeline);
        return await pipeline.upload(file);
      } finally {
        void chunks.return(undefined);
      }
    });
    // Users know servers by name (R13).
    const name = pipeline.servers().find(({ url }) => url === server)?.name ?? server;
    response.status(201).json({ ...stored, server: name });
  };

async function fileOf(
  request: Request,
  chunks: AsyncIterable<Buffer>,
  asked: InputQuery,
  viewer: Viewer,
): Promise<InputUpload> {
  const { fields, content, ...part } = await partOf(request, chunks);
  const { filename, ...named } = { ...asked, ...orBadFields(inputQuery({ ...fields, ...part })) };
  if (filename === undefined) throw badFields([{ field: 'filename', message: 'must be given' }]);
  refuseOverwriting(viewer, named.overwrite);
  return { ...named, filename, content: asNamed(filename, content) };
}

/** The file of a form; any other body is the file itself, and the query gives its name. */
async function partOf(
  request: Request,
  chunks: AsyncIterable<Buffer>,
): Promise<Omit<FilePart, 'filename'> & { readonly filename?: string }> {
  if (request.is('multipart/form-data') === false) return { fields: {}, content: chunks };
  const { fields: given, ...part } = await filePart(request, chunks);
  const { type = 'input', ...fields } = given;
  // In ComfyUI's own form `type` names the folder: here files go to the folder of inputs only.
  if (type !== 'input') throw badFields([{ field: 'type', message: 'must be input' }]);
  return { fields, ...part };
}

/** Throws `forbidden` if a user would overwrite: one ComfyUI has one folder of inputs for all users. */
const refuseOverwriting = ({ role }: Viewer, overwrite = false): void => {
  if (role === 'service' || !overwrite) return;
  const errors = [{ field: 'overwrite', message: 'is for services: the inputs are everybody’s' }];
  throw new Problem('forbidden', { detail: 'A user may overwrite no input.', errors });
};
