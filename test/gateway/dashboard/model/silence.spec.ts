import { silenceOf } from '../../../../gateway/dashboard/model/silence';
import { job, running } from './a-job';

describe('silence', () => {
  const line = { gatewaySilentSince: undefined, servers: [], serverSilentSince: new Map<string, number>() };
  const away = { name: 'server-2', healthy: false };
  const other = { name: 'server-1', healthy: false };
  const live = running('1', 5000, { server: 'server-2' });

  test('is since the gateway was lost, whatever else is silent', () => {
    expect(silenceOf(live, { ...line, gatewaySilentSince: 9000, servers: [away] })).toEqual({
      since: 9000,
      why: 'the connection to the gateway is lost',
    });
  });
  test('is since the job’s server does not answer, and not another one', () => {
    const serverSilentSince = new Map([['server-2', 7000]]);
    const silence = { since: 7000, why: 'server-2 does not answer' };
    expect(silenceOf(live, { ...line, servers: [other, away], serverSilentSince })).toEqual(silence);
    expect(silenceOf(live, { ...line, servers: [other, { ...away, healthy: true }] })).toBeUndefined();
    const elsewhere = { ...live, server: 'another server' };
    expect(silenceOf(elsewhere, { ...line, servers: [other, away], serverSilentSince })).toBeUndefined();
  });
  test('is what the job itself says', () => {
    expect(silenceOf({ ...live, server: 'gpu', silentSince: 6000 }, line)).toEqual({
      since: 6000,
      why: 'nothing comes from gpu',
    });
  });
  test('is none of what has ended', () => {
    expect(
      silenceOf(job({ status: 'completed' }), { ...line, gatewaySilentSince: 1, servers: [away] }),
    ).toBeUndefined();
  });
});
