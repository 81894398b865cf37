import fc from 'fast-check';
import { mayBeOvertakable, overtakable, promptIdEnd, promptIdStart } from '../../../sources/frames/frame-head';
import { pythonJson } from '../../../bench/frames/wire-frames';
import { framesOf, recordings } from '../../support/replay/recordings';

/** Type and job of a frame, as far as its head tells. */
function headOf(text: string): readonly [type: string, promptId: string] | undefined {
  const bytes = Buffer.from(`before${text}after`);
  const [start, end] = [6, bytes.length - 5];
  const type = overtakable(bytes, start, end);
  if (type === undefined) return undefined;
  const id = promptIdStart(bytes, type, start, end);
  const idEnd = id === -1 ? -1 : promptIdEnd(bytes, id, end);
  return idEnd === -1 ? undefined : [type, bytes.toString('latin1', id, idEnd)];
}

const said = (text: string): readonly [unknown, unknown] => {
  const { type, data } = JSON.parse(text) as {
    readonly type: unknown;
    readonly data: { readonly prompt_id?: unknown };
  };
  return [type, data.prompt_id];
};

const texts = recordings.flatMap((recording) => framesOf(recording).filter((frame) => typeof frame === 'string'));

test('every progress frame that a real server sent is known by its head, and no other', () => {
  const known = texts.filter((text) => headOf(text) !== undefined);
  const named = texts.filter(
    (text) => /^\{"type": "progress(_state)?"/.test(text) && typeof said(text)[1] === 'string',
  );
  expect(known).toEqual(named);
  expect(known.length).toBeGreaterThan(500);
  for (const text of known) expect(headOf(text)).toEqual(said(text));
});

test('whatever stands in a frame, its head tells what the whole of it tells, or nothing', () => {
  const id = fc.oneof(fc.uuid(), fc.string({ maxLength: 250 }), fc.constantFrom('', 'a"b', 'a\\', 'é', '\u0000'));
  const value = fc.oneof(fc.integer(), fc.double({ noNaN: true }), fc.constant(null), fc.string({ maxLength: 80 }));
  const nodes = fc.dictionary(fc.string({ maxLength: 5 }), fc.record({ value, max: value, prompt_id: id }), {
    maxKeys: 3,
  });
  const data = fc.oneof(
    fc.record({ prompt_id: id, nodes }),
    fc.record({ value, max: value, prompt_id: id, node: id }),
    fc.record({ value, max: value, node: id, prompt_id: id }),
    fc.record({ nodes, prompt_id: id }),
    fc.record({ max: value, value, prompt_id: fc.oneof(id, fc.constant(null)) }),
  );
  const type = fc.constantFrom('progress_state', 'progress', 'progress_text', 'executed', 'progress_statement');
  fc.assert(
    fc.property(type, data, fc.boolean(), (type, data, isPython) => {
      const text = isPython ? pythonJson({ type, data }) : JSON.stringify({ data, type });
      const head = headOf(text);
      if (head !== undefined) expect(head).toEqual(said(text));
    }),
  );
});

test('a frame of which not all is there is told as soon as its type is', () => {
  const state = '{"type": "progress_state", "data": {"prompt_id": "1", "nodes": {}}}';
  const bytes = Buffer.from(state);
  const verdicts = Array.from({ length: bytes.length }, (_, end) => mayBeOvertakable(bytes, 0, end));
  expect(verdicts.indexOf(true)).toBe(51);
  expect(verdicts.slice(0, 51).every((verdict) => verdict === undefined)).toBe(true);
  expect(mayBeOvertakable(Buffer.from('{"type": "status"'), 0, 12)).toBe(false);
});
