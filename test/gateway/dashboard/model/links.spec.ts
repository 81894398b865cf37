import { firstImage, linkOf } from '../../../../gateway/dashboard/model/files';

test('[R13] a browser is sent to http and https alone, and no picture is fetched that the gateway does not have', () => {
  const output = { nodeId: 'report', kind: 'files', filename: 'a.png', subfolder: '', type: 'reported' };
  expect(linkOf({ ...output, url: 'https://files.example/a.png' })?.host).toBe('files.example');
  for (const url of ['javascript:alert(1)', 'data:text/html,x', '//files.example/a', 'a.png'])
    expect(linkOf({ ...output, url })).toBeUndefined();
  expect(linkOf(output)).toBeUndefined();
  expect(firstImage([output, { ...output, type: 'output' }])).toBe(1);
});
