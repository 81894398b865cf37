import { hashOf, placeOf } from '../../../../gateway/dashboard/model/place';
import { anyJob } from '../../../../gateway/dashboard/model/wanted';

describe('the address', () => {
  test.each([
    '#/',
    '#/?status=failed,cancelled&type=face_swap&user=a+b&character=c&text=%23%26&within=1h',
    '#/jobs/4f3c',
    '#/jobs/a%20b',
  ])('%s is read as it is written', (hash) => {
    expect(hashOf(placeOf(hash))).toBe(hash);
  });
  test.each([
    '',
    '#',
    '#/nowhere',
    '#/jobs/',
    '#/jobs/%',
    '#/?status=other',
    '#/?within=3d',
    '#/?within=toString',
    '#token=x',
  ])('%p is the whole list', (hash) => {
    expect(placeOf(hash)).toEqual({ tag: 'list', wanted: anyJob });
  });
});
