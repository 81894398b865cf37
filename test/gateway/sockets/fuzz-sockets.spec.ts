import { randomUUID } from 'node:crypto';
import { fuzzedSockets } from '../../../bench/fuzz/fuzzed-sockets';
import { steps } from '../../support/comfyui/workflows';
import { connected, join } from '../support/sockets/client';
import { runningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';
import { testAuth, tokenOf } from '../support/admission/tokens';

/** `npm run fuzz:sockets` sends as many as there is time for. */
const MESSAGES = 500;

test.each([1, 20261125])(
  '500 messages that no client should send, seed %d: others are served as before',
  async (seed) => {
    const gateway = await runningGateway({ auth: testAuth, rates: { requestsPerMinute: 0 } });
    const submit = (workflow: ReturnType<typeof steps>) =>
      gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada' });
    const [ended, live] = [await submit(steps()), await submit(steps({ steps: 3000, secondsPerStep: 0.5 }))];
    await settled(gateway.pipeline, ended.promptId);
    const fuzz = await fuzzedSockets(gateway.url, seed, [ended.promptId, live.promptId, randomUUID()]);
    expect(await fuzz.run(MESSAGES)).toBeGreaterThan(16);
    const socket = await connected(gateway, await tokenOf({ sub: 'ada' }));
    expect(await join(socket, ended.promptId)).toMatchObject({ ok: true, job: { status: 'completed' } });
    expect(await join(socket, live.promptId)).toMatchObject({ ok: true });
    socket.disconnect();
    await gateway.pipeline.cancel(live.promptId);
    await gateway.close();
  },
);
