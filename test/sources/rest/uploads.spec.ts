import { uploads, type InputFile } from '../../../sources/files/upload';
import { serverAddress } from '../../../sources/server-address';
import { png } from '../../support/comfyui/nodes/png';
import { startComfyUI } from '../../support/comfyui/stand-in';

/** A picture; of a slow sender, the end comes with `sent`. */
const file = (filename: string, sent = Promise.resolve()): InputFile => ({
  filename,
  content: (async function* () {
    const bytes = png(8, 8, 0x336699);
    yield bytes.subarray(0, 20);
    await sent;
    yield bytes.subarray(20);
  })(),
});

test('[R16] slow senders of a few users keep nobody else’s file from ComfyUI', async () => {
  const comfy = await startComfyUI({ version: '0.33.0' });
  const { upload, close } = uploads(serverAddress(comfy.url));
  let send: () => void = () => undefined;
  const sent = new Promise<void>((resolve) => (send = resolve));
  // Eight users send four files each, the most at a time of one.
  const slow = Array.from({ length: 32 }, (_, n) => upload(file(`slow-${n}.png`, sent)));
  expect(await upload(file('quick.png'))).toEqual({ name: 'quick.png', subfolder: '' });
  send();
  expect((await Promise.all(slow)).map(({ name }) => name)).toHaveLength(32);
  await close();
  await comfy.stop();
});
