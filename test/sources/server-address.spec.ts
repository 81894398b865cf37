import { serverAddress } from '../../sources/server-address';

test.each([
  ['http://127.0.0.1:8188', 'http://127.0.0.1:8188'],
  ['http://127.0.0.1:8188/', 'http://127.0.0.1:8188'],
  ['https://abc-8188.proxy.runpod.net', 'https://abc-8188.proxy.runpod.net'],
  ['https://example.com/comfy//', 'https://example.com/comfy'],
  ['HTTP://LOCALHOST:80', 'http://localhost'],
  ['http://[::1]:8188', 'http://[::1]:8188'],
])('%s is shown as %s', (text, url) => {
  expect(serverAddress(text)).toEqual({ url, name: 'server-1', headers: {} });
});

const basic = (login: string) => ({ authorization: `Basic ${Buffer.from(login).toString('base64')}` });

test.each([
  ['http://ada:secret@comfy:8188/', 'ada:secret'],
  ['http://ada@comfy:8188/', 'ada:'],
  ['http://:secret@comfy:8188/', ':secret'],
  ['http://a%40b:p%3Aw%2F%C3%A9@comfy:8188/', 'a@b:p:w/é'],
])('credentials leave the URL and become a header: %s', (text, login) => {
  expect(serverAddress(text)).toEqual({ url: 'http://comfy:8188', name: 'server-1', headers: basic(login) });
});

test.each([
  ['Authorization', 'Bearer …secret'],
  ['x key', '1'],
  ['x-a', 'b\r\nc'],
])('a header that HTTP cannot carry is named, and its value is not: %s', (header, value) => {
  const refused = (): unknown => serverAddress({ url: 'http://comfy:8188', headers: { [header]: value } });
  expect(refused).toThrow(TypeError);
  expect(refused).toThrow(header);
  expect(refused).not.toThrow(value);
});

test('headers of one’s own are kept, beside the login and in its place', () => {
  const { headers } = serverAddress({ url: 'http://ada:secret@comfy:8188', headers: { 'x-pod': '7' } });
  expect(headers).toEqual({ ...basic('ada:secret'), 'x-pod': '7' });
  const own = { Authorization: 'Bearer token' };
  expect(serverAddress({ url: 'http://ada:secret@comfy:8188', headers: own }).headers).toEqual(own);
});

test.each([
  '',
  'comfy:8188',
  'ftp://comfy',
  'ws://comfy:8188',
  '//comfy',
  'http://comfy?token=secret',
  'http://comfy/#a',
])('is refused, and the refusal shows nothing of it: %s', (text) => {
  const address = () => serverAddress(text);
  expect(address).toThrow(TypeError);
  expect(address).not.toThrow('secret');
});

test('a password that is not percent-encoded throws what names the fault, and not the password', () => {
  const address = () => serverAddress('http://ada:100%secret@comfy:8188');
  expect(address).toThrow(TypeError);
  expect(address).not.toThrow('secret');
});

test('a server goes by its name, or else by its place', () => {
  expect(serverAddress({ url: 'http://comfy', name: 'studio' }, 3).name).toBe('studio');
  expect(serverAddress('http://comfy', 3).name).toBe('server-4');
});
