import * as E from 'fp-ts/Either';
import * as t from 'io-ts';
import { bounds } from '../../../streams/bounds';
import { checked, optional, type FieldError, type Given } from '../../wire/described.codec';
import { mediaExtensions } from '../bodies/media-type';
import { isWithin } from '../../../streams/workflow/shown-text';
import { decodedFields } from './fields/decoded-fields.codec';
import { givenOnce } from './fields/given-once.codec';

/** One name of a file or folder: no path, no leading dot, no character that a file system or ComfyUI interprets. */
const NAME = "[\\p{L}\\p{N}_][\\p{L}\\p{M}\\p{N} _.()+,'=@~#-]*";
const FILE = new RegExp(`^${NAME}\\.(${mediaExtensions.join('|')})$`, 'iu');
const FOLDERS = new RegExp(`^${NAME}(/${NAME}){0,2}$`, 'u');
/** A space or dot at the end of a name, which Windows drops. */
const SHED = /[ .](\/|$)/;
/** What Windows takes for a device, whatever its extension: a file of that name would be stored nowhere. */
const DEVICE = /(^|\/)(con|prn|aux|nul|(com|lpt)\d) *(\.|\/|$)/iu;

const named = (pattern: RegExp, text: unknown): text is string =>
  typeof text === 'string' &&
  isWithin(bounds.inputNameLength, text) &&
  pattern.test(text) &&
  !SHED.test(text) &&
  !DEVICE.test(text);

const shown = { type: 'string', minLength: 1, maxLength: bounds.inputNameLength } as const;

const Filename = checked(
  'Filename',
  (value) =>
    named(FILE, value)
      ? E.right(value)
      : E.left(
          `must be a file’s name without a path, of at most ${bounds.inputNameLength} characters, ending in that of an image, video or audio file`,
        ),
  { ...shown, description: 'Of a body that is the file itself.', examples: ['lighthouse.png'] },
);

const Subfolder = checked(
  'Subfolder',
  (value) =>
    value === '' || named(FOLDERS, value)
      ? E.right(value)
      : E.left('must be a folder of at most three levels, joined by /, under ComfyUI’s inputs'),
  { type: 'string', maxLength: bounds.inputNameLength },
);

const Overwrite = checked(
  'Overwrite',
  (value) =>
    ['1', 'true', '0', 'false'].includes(String(value))
      ? E.right(value === '1' || value === 'true')
      : E.left('must be true or false'),
  {
    type: 'string',
    enum: ['1', 'true', '0', 'false'],
    description:
      'Whether it may take the place of another file of that name, for services only; else ComfyUI numbers it.',
  },
);

const MaskOf = checked(
  'MaskOf',
  (value) => {
    const [, folder = '', file] = /^(?:(.*)\/)?([^/]*)$/.exec(String(value)) ?? [];
    return typeof value === 'string' && named(FILE, file) && (folder === '' || named(FOLDERS, folder))
      ? E.right(value)
      : E.left('must be the name of an image among the inputs');
  },
  { ...shown, description: 'The image among the inputs of which the file is the mask.' },
);

/** The query of `POST /inputs`. */
export const InputQuery = t.type({
  filename: optional(Filename),
  subfolder: optional(Subfolder),
  overwrite: optional(Overwrite),
  maskOf: optional(MaskOf),
  server: optional(givenOnce(bounds.serverLength, 'Which ComfyUI; the job must then be submitted with the same.')),
  type: optional(givenOnce(bounds.typeLength, 'Of the job that will read it, where no server is named.')),
});
export type InputQuery = Given<t.TypeOf<typeof InputQuery>>;

/** Decodes the query of `POST /inputs`, or the fields of its form. */
export const inputQuery = (query: unknown): E.Either<readonly FieldError[], InputQuery> =>
  decodedFields(InputQuery, query);
