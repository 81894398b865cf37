import {
  ComfyUIJobRunner,
  ComfyUIPodClient,
  ComfyUIWebSocketClient,
  type ComfyUIJobPersistenceService,
  type ComfyUIPodConfig,
  type ComfyUIWorkflow,
} from '../../compat';
import type { ComfyUIStandIn } from '../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../support/comfyui/versions';

export const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.6.0', '0.8.2', '0.20.1', '0.26.0', '0.33.0'];

const closing: (() => Promise<unknown>)[] = [];

/** A client that `closeAll` closes. */
export function aPod(url: string, more: Partial<ComfyUIPodConfig> = {}): ComfyUIPodClient {
  const pod = new ComfyUIPodClient({ baseUrl: url, ...more });
  closing.push(() => pod.close());
  return pod;
}

/** The server's URL with a login in it, whose password has what URLs are divided by. */
export const withLogin = (url: string): string => url.replace('://', '://ada:p@ss%2Fword@');

/** A client that is connected until `closeAll`. */
export async function connected(url: string, clientId?: string) {
  const socket = new ComfyUIWebSocketClient();
  const id = await socket.connect(url, clientId);
  closing.push(() => {
    socket.disconnect(id);
    return Promise.resolve();
  });
  return { socket, id };
}

/** A runner whose every job runs this workflow, closed by `closeAll`. */
export function aRunner(
  comfyui: ComfyUIPodClient,
  workflow: () => ComfyUIWorkflow,
  persistenceService?: ComfyUIJobPersistenceService,
): ComfyUIJobRunner {
  const workflows = { buildWorkflow: workflow, getRecommendedWorkflow: () => 'the only one' };
  const runner = new ComfyUIJobRunner({ comfyui, workflows, persistenceService });
  closing.push(() => runner.close());
  return runner;
}

export async function closeAll(): Promise<void> {
  await Promise.all(closing.splice(0).map((close) => close()));
  jest.restoreAllMocks();
}

/** Keeps what clients warn of out of the output until `closeAll`, for a test that gives them cause. */
export const warnings = () => jest.spyOn(console, 'warn').mockImplementation(() => undefined);
export const expectWarned = (of: string): void => expect(warnings()).toHaveBeenCalledWith(expect.stringContaining(of));

/** [R2] Whole numbers from 0 to 100, each more than the one before. */
export function expectRising(progress: readonly number[]): void {
  expect(progress.every((each) => Number.isInteger(each) && each >= 0 && each <= 100)).toBe(true);
  expect(progress).toEqual([...new Set(progress)].sort((a, b) => a - b));
}

/** Each workflow ran once, under the client id that it was posted with. */
export function expectOnce(server: ComfyUIStandIn, workflows = 1): void {
  expect([...server.executions.values()]).toEqual(Array.from({ length: workflows }, () => 1));
  expect(posts(server)).toBe(workflows);
  for (const { clientId } of server.executedWorkflows) expect(clientId).toEqual(expect.any(String));
}

export const posts = ({ requests }: ComfyUIStandIn): number =>
  requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/prompt')).length;

const onEachBy =
  (test: jest.It) =>
  (
    name: string,
    scenario: (version: ComfyUIVersion) => Promise<void>,
    these: readonly ComfyUIVersion[] = versions,
  ): void =>
    test(name, async () => {
      const outcomes = await Promise.allSettled(these.map(scenario));
      outcomes.forEach((outcome, n) => {
        if (outcome.status === 'rejected') throw new Error(`on ${these[n]}`, { cause: outcome.reason });
      });
    });

/** A test against each of these versions, all at the same time, for they wait for the most part; `concurrent`, beside others. */
export const onEach = Object.assign(onEachBy(test), { concurrent: onEachBy(test.concurrent) });
