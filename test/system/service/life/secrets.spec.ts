import { asking } from '../../../gateway/support/http/asking';
import { connected, join as joinJob } from '../../../gateway/support/sockets/client';
import { tokenOf } from '../../../gateway/support/admission/tokens';
import { until } from '../../../support/until';
import { loginProxy } from '../login-proxy';
import { inPlace, job, long } from './in-place';

test.concurrent('[R13] no login, no secret and no token is ever written, whatever goes wrong', () =>
  inPlace('0.33.0', async ({ start, comfy }) => {
    const proxy = await loginProxy(comfy.url);
    const secret = 'the-secret-of-the-service-0123456789abcdef';
    const service = await start({ COMFYUI_URL: proxy.loginUrl, JWT_SECRET: secret, LOG_LEVEL: 'trace' });
    const token = await tokenOf({ sub: 'ada' }, { secret: new TextEncoder().encode(secret) });
    const forged = await tokenOf({ sub: 'ada' });
    const ask = asking(service);
    await until(() => comfy.sockets() === 1);
    expect((await ask('POST', '/jobs', { ...job(long(2)), token: forged })).status).toBe(401);
    await expect(connected(service, forged)).rejects.toThrow();

    comfy.faults.mostSteps = 10;
    const { json } = await ask('POST', '/jobs', { ...job(long(80)), token });
    const socket = await connected(service, token);
    expect(await joinJob(socket, json['promptId'])).toMatchObject({ ok: true });
    expect(JSON.stringify(json)).not.toMatch(new RegExp(proxy.secrets.join('|')));
    comfy.faults.status = { httpStatus: 502, body: '<html>' };
    comfy.dropSockets('abrupt');
    await until(() => service.output().includes('"where":"look"'));
    comfy.faults.status = undefined;
    await proxy.close();
    await until(() => service.output().includes('ECONNREFUSED'));
    socket.disconnect();
    expect((await service.terminate()).code).toBe(0);
    for (const hidden of [...proxy.secrets, secret, token, forged]) expect(service.output()).not.toContain(hidden);
  }),
);
