import * as t from 'io-ts';

/** The answer to an upload: where ComfyUI put the file. */
export const storedCodec = t.type({ name: t.string, subfolder: t.string, type: t.string });
