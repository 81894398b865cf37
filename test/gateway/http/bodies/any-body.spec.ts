import fc from 'fast-check';
import type { Checked } from '../../../../gateway/http/bodies/check';
import { membersWithin } from '../../../../streams/workflow/json-members';
import { bounds } from '../../../../streams/bounds';
import { body, check } from './a-body';

describe('any body:', () => {
  const bounded = (checked: Checked): void => {
    expect(['good', 'refused']).toContain(checked.tag);
    if (checked.tag === 'good') return;
    expect(checked.details.errors?.length ?? 0).toBeLessThanOrEqual(bounds.fieldErrors);
    expect(JSON.stringify(checked.details).length).toBeLessThan(20_000);
  };
  test('bytes', () => fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => bounded(check(bytes)))));
  test('JSON, and JSON that was cut or spoilt', () =>
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), fc.string({ maxLength: 3 }), (json, at, spoilt) => {
        const text = body(json, { more: json });
        bounded(check(text));
        bounded(check(JSON.stringify(json)));
        bounded(check(text.slice(0, at % text.length)));
        bounded(check(text.slice(0, at % text.length) + spoilt + text.slice(at % text.length)));
      }),
    ));
  test('members of any object are where they stand', () =>
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 50 }),
        fc.constantFrom(0, 2),
        (json, indent) => {
          const text = JSON.stringify(json, undefined, indent);
          const outline = membersWithin(text);
          if (outline.tag === 'beyond') return;
          const found = outline.members.map(({ key, start, end }) => [
            key,
            JSON.parse(text.slice(start, end)) as unknown,
          ]);
          expect(found).toEqual(Object.entries(JSON.parse(text) as object));
        },
      ),
    ));
  test('bytes that are no UTF-8 are refused, not mended', () =>
    expect(check(Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xff]), Buffer.from('"}')]))).toMatchObject({
      kind: 'malformed-json',
    }));
});
