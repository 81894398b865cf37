import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isLeft } from 'fp-ts/Either';
import { settingsOf } from '../../../../gateway/cli/settings/settings';

const directory = mkdtempSync(join(tmpdir(), 'servers-'));

function withFile(content: string): ReturnType<typeof settingsOf> {
  const path = join(directory, `${Math.abs(content.length)}-${content.charCodeAt(2)}.json`);
  writeFileSync(path, content);
  return settingsOf({ COMFYUI_URL: path });
}

test('a file describes servers with headers and tags', () => {
  const servers = [
    { url: 'https://a.example/', headers: { 'x-key': 's3cret' }, tags: ['lora_training'] },
    { url: 'http://b:8188' },
  ];
  expect(withFile(JSON.stringify(servers))).toMatchObject({
    right: { servers: [{ ...servers[0], url: 'https://a.example' }, { url: 'http://b:8188' }] },
  });
});

test.each([
  ['no JSON', '[{"url": ', 'no JSON'],
  ['no list', '{"url": "http://a"}', 'must hold a JSON list'],
  ['an empty list', '[]', 'must hold a JSON list'],
  ['a server without a URL', '[{"url": "http://a"}, {"headers": {"x-key": "s3cret"}}]', 'no. 2 is wrong'],
  ['a field nobody knows', '[{"url": "http://a", "token": "s3cret"}]', 'no. 1 is wrong'],
  ['a header that is no text', '[{"url": "http://a", "headers": {"x-key": 1}}]', 'no. 1 is wrong'],
  ['a URL that is none', '[{"url": "http://a"}, {"url": "ftp://s3cret@b"}]', 'no. 2 is none'],
  ['a server twice', '[{"url": "http://a"}, {"url": "http://a/"}]', 'the same server twice'],
])('%s is named, and no secret with it', (_, content, complaint) => {
  const settings = withFile(content);
  expect(isLeft(settings) && settings.left).toEqual([
    { field: 'COMFYUI_URL', message: expect.stringContaining(complaint) as string },
  ]);
  expect(JSON.stringify(settings)).not.toContain('s3cret');
});

test('a file that is not there is named', () => {
  expect(settingsOf({ COMFYUI_URL: '/nowhere/servers.json' })).toMatchObject({
    left: [{ field: 'COMFYUI_URL', message: expect.stringContaining('cannot be read') as string }],
  });
});
