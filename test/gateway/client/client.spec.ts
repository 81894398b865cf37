import { randomUUID } from 'node:crypto';
import { filter, firstValueFrom, lastValueFrom, take, takeWhile, toArray } from 'rxjs';
import type { JobstreamError, JobState } from '../../../gateway/client';
import { steps, twoOutputs } from '../../support/comfyui/workflows';
import { eventually } from '../../support/until';
import { settled } from '../support/settled';
import { tokenOf } from '../support/admission/tokens';
import {
  clientWith,
  closeClients,
  closeGateway,
  gateway,
  holdAt,
  letGo,
  network,
  openGateway,
  submit,
} from './behind-proxy';

beforeAll(openGateway);
afterEach(closeClients);
afterAll(closeGateway);

const clientOf = async (sub: string) => clientWith(await tokenOf({ sub }));
const long = () => steps({ steps: 40, secondsPerStep: 0.05 });
const isGoingOn = ({ status }: JobState) => status !== 'completed' && status !== 'failed';
const inOrder = (numbers: readonly number[]) => expect(numbers).toEqual([...numbers].sort((a, b) => a - b));

test('a job is watched to its end through resets, and its progress never falls', async () => {
  const client = await clientOf('ada');
  holdAt(10);
  const { promptId } = await submit(long());
  const states: JobState[] = [];
  const end = lastValueFrom(client.watchJob(promptId));
  client.watchJob(promptId).subscribe((state) => states.push(state));
  for (const step of [10, 20, 30]) {
    await eventually(() => expect(states.at(-1)?.node?.value).toBeGreaterThan(step - 10));
    network.reset();
    holdAt(step + 10);
  }
  expect(await end).toMatchObject({ promptId, status: 'completed', progress: 100, outputs: [{ nodeId: '4' }] });
  inOrder(states.map(({ progress }) => progress));
  inOrder(states.map(({ seq }) => seq));
  expect(JSON.stringify(states)).not.toContain('clientId');
});

test('what settled while the gateway was out of reach is told when it is back', async () => {
  const client = await clientOf('ada');
  holdAt(5);
  const { promptId } = await submit(long());
  const [job, mine] = [client.watchJob(promptId), client.watchMine()];
  const first = firstValueFrom(job);
  const ends = Promise.all([
    lastValueFrom(job),
    firstValueFrom(mine.pipe(filter((state) => state.promptId === promptId && state.status === 'completed'))),
  ]);
  await Promise.all([first, firstValueFrom(mine)]);
  network.refuse();
  network.reset();
  expect(await firstValueFrom(client.status$)).not.toBe('idle');
  letGo();
  await settled(gateway.pipeline, promptId);
  network.accept();
  expect(await ends).toMatchObject([{ status: 'completed' }, { status: 'completed' }]);
  expect(await lastValueFrom(client.watchJob(promptId).pipe(toArray()))).toMatchObject([{ status: 'completed' }]);
});

test('previews come with their place', async () => {
  const client = await clientOf('ada');
  holdAt(1);
  const { promptId } = await submit(twoOutputs());
  const previews = lastValueFrom(client.previews(promptId).pipe(toArray()));
  await firstValueFrom(client.watchJob(promptId));
  letGo();
  const [preview] = await previews;
  expect(preview).toMatchObject({ promptId, nodeId: '2', mimeType: 'image/jpeg' });
  expect(preview?.image).toBeInstanceOf(Uint8Array);
});

test('[R14] another user’s job is an error like one that is not there', async () => {
  const client = await clientOf('bob');
  const { promptId } = await submit();
  const errorOf = async (id: string) => {
    const error: unknown = await lastValueFrom(client.watchJob(id)).catch((caught: unknown) => caught);
    const { name, code, message } = error as JobstreamError;
    return { name, code, message };
  };
  const [unseen, missing] = [await errorOf(promptId), await errorOf(randomUUID())];
  expect(unseen).toEqual(missing);
  expect(unseen).toMatchObject({ name: 'JobstreamError', code: 'unknown-job' });
});

test('a token that is refused is an error by name; one from a function is asked for once more before', async () => {
  let asked = 0;
  const renewing = clientWith(() => `nonsense ${(asked += 1)}`);
  for (const client of [clientWith(), clientWith('nonsense'), renewing]) {
    await expect(lastValueFrom(client.watchJob('any'))).rejects.toMatchObject({ code: 'unauthorized' });
    expect(await firstValueFrom(client.status$)).toBe('unauthorized');
  }
  expect(asked).toBe(2);
});

test('a token that ends is followed by the next, without a step back', async () => {
  const tokens: string[] = [];
  const client = clientWith(async () => {
    // One is no good, one cannot be had: both pass.
    if (tokens.length === 1) tokens.push('nonsense');
    else if (tokens.length === 2) tokens.push('none');
    else tokens.push(await tokenOf({ sub: 'ada' }, { expires: Math.floor(Date.now() / 1000) + 2 }));
    if (tokens.at(-1) === 'none') throw new Error('the token service is away');
    return tokens.at(-1)!;
  });
  holdAt(5);
  const { promptId } = await submit(long());
  const watched = lastValueFrom(client.watchJob(promptId).pipe(toArray()));
  await eventually(() => expect(tokens.length).toBeGreaterThan(3));
  letGo();
  const states = await watched;
  expect(states.at(-1)).toMatchObject({ status: 'completed' });
  inOrder(states.map(({ progress }) => progress));
});

test('watchMine has the user’s own jobs, the service’s all, from any on', async () => {
  holdAt(5);
  // Users that no other test has: a job of `ada` may be under way still. What `eve` is not to see ends before what she is.
  const others = await submit(long(), 'dan');
  const mine = await submit(steps(), 'eve');
  const [eve, service] = [await clientOf('eve'), clientWith(await tokenOf({ role: 'service' }))];
  const own = lastValueFrom(eve.watchMine().pipe(takeWhile(isGoingOn, true), toArray()));
  const ended = lastValueFrom(
    service.watchMine().pipe(
      filter((job) => [mine, others].some(({ promptId }) => promptId === job.promptId) && !isGoingOn(job)),
      take(2),
      toArray(),
    ),
  );
  await Promise.all([eve, service].map((client) => firstValueFrom(client.watchMine())));
  letGo();
  const states = await own;
  expect(states.at(-1)).toMatchObject({ userId: 'eve', status: 'completed', progress: 100 });
  expect(new Set(states.map(({ promptId }) => promptId))).toEqual(new Set([mine.promptId]));
  expect((await ended).map(({ promptId }) => promptId)).toEqual([others.promptId, mine.promptId]);
});

test('an output’s URL needs no token; of another’s there is none', async () => {
  const [ada, bob] = [await clientOf('ada'), await clientOf('bob')];
  const { promptId } = await submit();
  await settled(gateway.pipeline, promptId);
  const answer = await fetch(await ada.outputUrl(promptId, 0));
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png']);
  await answer.arrayBuffer();
  await expect(bob.outputUrl(promptId, 0)).rejects.toMatchObject({ name: 'JobstreamError', code: 'unknown-job' });
  await expect(ada.outputUrl(promptId, 9)).rejects.toMatchObject({ code: 'unknown-output' });
  await expect(clientWith().outputUrl(promptId, 0)).rejects.toMatchObject({ code: 'unauthorized' });
  const failing = () => {
    throw new Error('no session');
  };
  for (const token of [failing, () => Promise.reject(new Error('no session'))])
    await expect(clientWith(token).outputUrl(promptId, 0)).rejects.toMatchObject({
      name: 'JobstreamError',
      code: 'no-token',
      cause: { message: 'no session' },
    });
});
