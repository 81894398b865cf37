import { NEVER, asyncScheduler } from 'rxjs';
import { serverAddress } from '../../../../sources/server-address';
import { webSocketSession } from '../../../../sources/session';
import { jobBoard, type BoardEvent } from '../../../../streams/board/board';
import { jobOf, queuedState } from '../../../../streams/job/job';
import type { JobState } from '../../../../streams/job/job-state';
import { defaultTiming } from '../../../../streams/job/timing';
import { graphOf } from '../../../../streams/job/workflow';
import type { ComfyUIVersion } from '../../../support/comfyui/versions';
import { partlyRejected, rejected, steps } from '../../../support/comfyui/workflows';
import { finished, start, submit as postForAnother, until } from '../../../support/comfyui/client/comfyui-client';
import { CLIENT, executionsOf, letGoOfAll, posts, short, submitTo } from './submitting';

afterEach(letGoOfAll);

const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];

/** Under which id the server has it, as the events tell. */
const idIn = (events: readonly BoardEvent[], promptId: string): string => {
  const accepted = events.find((event) => event.tag === 'accepted');
  return accepted?.tag === 'accepted' ? (accepted.runId ?? promptId) : promptId;
};

describe.each(versions)('%s', (version) => {
  const keepsId = version !== '0.3.30';
  const told = ['accepted'];
  const tags = (events: readonly BoardEvent[]) => events.map(({ tag }) => tag);

  test('posts once, with the session’s client, our id and our mark', async () => {
    const server = await start({ version });
    const workflow = short();
    const { promptId, done } = submitTo(server.url, workflow);
    const events = await done;
    expect(tags(events)).toEqual(told);
    const id = idIn(events, promptId);
    expect([id === promptId, await executionsOf(server, id)]).toEqual([keepsId, [1]]);
    expect(server.executedWorkflows).toMatchObject([
      { promptId: id, clientId: CLIENT, workflow, extraData: { jobstream_prompt_id: promptId } },
    ]);
    expect(posts(server)).toBe(1);
    const [accepted] = events.filter((event) => event.tag === 'accepted');
    expect(accepted!.postedAt).toBeLessThanOrEqual(accepted!.at);
    expect(accepted).not.toHaveProperty('nodeErrors');
  });

  test('an answer lost before the workflow was queued: posted again, after it was nowhere thrice', async () => {
    const server = await start({ version, faults: { loseAnswer: 'before', loseAnswerTimes: 2 } });
    const { promptId, done } = submitTo(server.url, short());
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(posts(server)).toBe(3);
    const looks = server.requests.filter(({ path }) => /^\/(api\/jobs\?|queue)/.test(path) && path !== '/queue');
    expect(looks.length).toBeGreaterThanOrEqual(version === '0.33.0' ? 6 : 1);
  });

  test('an answer lost after it was queued: found while it runs, not posted again', async () => {
    const server = await start({ version });
    await postForAnother(server, short());
    Object.assign(server.faults, { loseAnswer: 'after', loseAnswerTimes: 1 });
    const { promptId, done } = submitTo(server.url, steps({ steps: 10, secondsPerStep: 0.02 }));
    const events = await done;
    expect(tags(events)).toEqual(told);
    await executionsOf(server, idIn(events, promptId));
    expect([server.executedWorkflows.length, posts(server)]).toEqual([2, 2]);
  });

  test('an answer lost after it was queued: found though it has ended already, among others', async () => {
    const server = await start({ version });
    await finished(server, await postForAnother(server, short()));
    Object.assign(server.faults, { loseAnswer: 'after', loseAnswerTimes: 1 });
    const { promptId, done } = submitTo(server.url, short(), {
      policy: { backoff: { steadyMs: 0, delayMs: () => 150 } },
    });
    await until(() => server.executions.size === 2);
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1, 1]);
    expect(posts(server)).toBe(2);
  });

  test('a server that does not listen yet', async () => {
    const server = await start({ version });
    await server.kill();
    const { promptId, reports, done } = submitTo(server.url, short());
    await until(() => reports.length > 0);
    expect(reports[0]).toMatchObject({ name: 'NoAnswer', maybeSent: false });
    await server.start();
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(posts(server)).toBe(1);
  });

  test('a proxy’s 502 page for a while', async () => {
    const server = await start({ version, faults: { status: { httpStatus: 502, body: '<html>Bad Gateway</html>' } } });
    const { promptId, reports, done } = submitTo(server.url, short());
    await until(() => server.requests.length >= 4);
    server.faults.status = undefined;
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(reports.length).toBeGreaterThan(0);
  });

  test('a busy server is waited for', async () => {
    const server = await start({ version });
    server.faults.busy(0.3);
    const { promptId, done } = submitTo(server.url, short());
    const events = await done;
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(posts(server)).toBe(1);
  });

  test('a server that is busy for longer than we wait takes it all the same, once', async () => {
    const server = await start({ version });
    server.faults.busy(1.5);
    const { promptId, reports, done } = submitTo(server.url, short(), { policy: { postMs: 500 } });
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
    expect(posts(server)).toBe(1);
    expect(reports.length).toBeLessThanOrEqual(1);
  });

  test('a workflow that does not pass is refused, node by node, and nothing runs', async () => {
    const server = await start({ version });
    const { promptId, done } = submitTo(server.url, rejected());
    const [refused, ...others] = await done;
    expect(others).toEqual([]);
    expect(refused).toMatchObject({ tag: 'refused', promptId, failure: { kind: 'rejected', retryable: false } });
    const errors = refused?.tag === 'refused' ? (refused.nodeErrors ?? []) : [];
    expect(errors).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ nodeId: '1', nodeType: 'EmptyImage', input: 'height' }),
        expect.objectContaining({ nodeId: '5' }),
      ]),
    );
    expect([posts(server), server.executions.size]).toEqual([1, 0]);
  });

  test('an unknown node is named', async () => {
    const server = await start({ version });
    const { done } = submitTo(server.url, {
      ...short(),
      '3': { class_type: 'NoSuchNode', inputs: { image: ['2', 0] } },
    });
    expect(await done).toMatchObject([
      { tag: 'refused', failure: { kind: 'rejected', nodeId: '3', nodeType: 'NoSuchNode' } },
    ]);
  });

  test('one that passes in part is accepted, with what is wrong', async () => {
    const server = await start({ version, timeScale: 0.1 });
    const { promptId, done } = submitTo(server.url, partlyRejected());
    const events = await done;
    expect(tags(events)).toEqual(told);
    expect(events.at(-1)).toMatchObject({ tag: 'accepted', nodeErrors: [{ nodeId: '5', nodeType: 'PreviewImage' }] });
    expect(await executionsOf(server, idIn(events, promptId))).toEqual([1]);
  });

  test('frames that came before the answer are not lost: a job that ended before it had its id', async () => {
    const server = await start({ version, faults: { loseAnswer: 'after', loseAnswerTimes: 1 } });
    const board = jobBoard(defaultTiming);
    const states: JobState[] = [];
    const take = (event: BoardEvent): void => {
      for (const change of board.take(event)) if (change.tag === 'state') states.push(change.state);
    };
    const address = serverAddress(server.url);
    const session = webSocketSession({ address, clientId: CLIENT, clock: asyncScheduler, report: () => undefined });
    const socket = session.connect(NEVER, NEVER).subscribe(take);
    await until(() => board.session(CLIENT)?.open === true);
    const workflow = short();
    const { promptId, done } = submitTo(server.url, workflow, {
      onEvent: take,
      policy: { backoff: { steadyMs: 0, delayMs: () => 150 } },
    });
    const state = queuedState({ promptId, type: 'image_generation', userId: 'ada', serverUrl: server.url, at: 0 });
    take({ tag: 'opened', job: jobOf({ ...state, clientId: CLIENT }, { graph: graphOf(workflow) }) });
    await done;
    await until(() => states.at(-1)?.status === 'completed');
    socket.unsubscribe();
    expect(states.at(-1)).toMatchObject({
      promptId,
      progress: 100,
      outputs: [{ nodeId: '4', kind: 'images' }],
    });
    expect([board.jobs.size, [...server.executions.values()]]).toEqual([0, [1]]);
  });
});

test('[R18] integers reach ComfyUI with all their digits', async () => {
  const server = await start();
  const seeds = ['9007199254740993', '12345678901234567891', '18446744073709551615'];
  for (const seed of seeds) {
    const workflow = JSON.stringify(short()).replace(/"seed":\d+/, `"seed":${seed}`);
    const { done, promptId } = submitTo(server.url, {}, { submission: { prompt: { workflow } } });
    expect(await done).toMatchObject([{ tag: 'accepted', promptId }]);
    await finished(server, promptId);
  }
  const posted = server.requests.flatMap(({ body = '' }) => /"seed":(\d+)/.exec(body)?.[1] ?? []);
  expect(posted).toEqual(seeds);
  const ran = server.executedWorkflows.map(({ workflow }) => String(workflow['2']?.inputs['seed']));
  expect(ran).toEqual(seeds);
  const tooLarge = JSON.stringify(short()).replace(/"seed":\d+/, '"seed":18446744073709551616');
  const refused = await submitTo(server.url, {}, { submission: { prompt: { workflow: tooLarge } } }).done;
  expect(refused).toMatchObject([
    {
      tag: 'refused',
      failure: { message: expect.stringContaining('bigger than max of 18446744073709551615') as string },
    },
  ]);
});
