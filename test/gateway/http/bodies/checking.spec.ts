import { checking, type Checking } from '../../../../gateway/http/bodies/checking';

let thread: Checking;
afterEach(() => thread.close());
const check = (text: string) =>
  thread.check({ kind: 'submit', chunks: [Buffer.from(text)], needsUser: false, wantsDigest: true });

test.each([
  ['here', 10],
  ['in the thread', 400_000],
])('a body is read alike wherever it is read: %s', async (_where, length) => {
  thread = checking(1 << 20);
  const workflow = `{"1":{"class_type":"X","inputs":{"seed":12345678901234567891,"text":"${'ä'.repeat(length)}"}}}`;
  expect(await check(`{"type":"t","workflow":${workflow}}`)).toMatchObject({
    tag: 'good',
    body: { request: { type: 't', workflow } },
    digest: expect.stringMatching(/^[\w-]{43}$/) as string,
  });
  expect(await check(`{"type":"t","workflow":${workflow},"more":1}`)).toMatchObject({
    tag: 'refused',
    details: { errors: [{ field: 'more' }] },
  });
});

test('the digest is of the bytes, wherever it is made', async () => {
  thread = checking(1 << 20);
  const digests = await Promise.all(
    ['1.0', '1.0', '1'].map((cfg) =>
      check(
        `{"cfg":${cfg},"type":"t","workflow":{"1":{"class_type":"X","inputs":{"cfg":${cfg}}}}}`.replace(
          /"cfg":[\d.]+,"type"/,
          '"type"',
        ),
      ),
    ),
  );
  const [one, same, other] = digests.map((checked) => (checked.tag === 'good' ? checked.digest : undefined));
  expect(one).toBe(same);
  expect(one).not.toBe(other);
});

test('[R15, R16] the largest bodies there may be, and the most that they may hold, are read', async () => {
  const most = 32 << 20;
  thread = checking(most);
  const workflow = `{"1":{"class_type":"X","inputs":{"text":"${'ж'.repeat((most >> 1) - 200)}"}}}`;
  expect(await check(`{"type":"t","workflow":${JSON.stringify(workflow)}}`)).toMatchObject({ tag: 'good' });
  const inputs = Array.from({ length: 95_000 }, (_, n) => `"${`${n}`.padEnd(100, 'ж')}":[]`).join(',');
  expect(await check(`{"type":"t","workflow":{"1":{"class_type":"X","inputs":{${inputs}}}}}`)).toMatchObject({
    tag: 'good',
  });
});
