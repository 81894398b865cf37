import * as E from 'fp-ts/Either';
import { inputQuery } from '../../../../gateway/http/requests/input-request.codec';

const refused = (query: object): readonly string[] => {
  const read = inputQuery(query);
  return E.isLeft(read) ? read.left.map(({ field }) => field) : [];
};

test.each(['NUL.png', 'con.mask.png', 'aux .png', 'COM1.wav', 'lpt9.webp'])(
  'no file is called as a device of Windows is: %s',
  (filename) => {
    expect(refused({ filename })).toEqual(['filename']);
    expect(refused({ filename: 'a.png', maskOf: `faces/${filename}` })).toEqual(['maskOf']);
    expect(refused({ filename: 'a.png', subfolder: `faces/${filename.split(/[ .]/)[0]}` })).toEqual(['subfolder']);
  },
);

test.each(['null.png', 'icon.png', 'com10.png', 'auxiliary.png', 'my con.png'])('%s is no device', (filename) => {
  expect(refused({ filename, maskOf: `prints/${filename}`, subfolder: 'annul/console' })).toEqual([]);
});
