import { isFile, type JobState } from '../../../streams/job/job-state';
import { defaultTiming } from '../../../streams/job/timing';
import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { get, type Queue } from '../../support/comfyui/client/comfyui-client';
import { until } from '../../support/until';
import { inWorld, inWorlds, type Followed, type World, type WorldOptions } from './world';

export { until };

type Scenario = (world: World) => Promise<void>;
/** On all versions of ComfyUI, side by side. */
export const onEach = (options: WorldOptions, scenario: Scenario) => () => inWorlds(options, scenario);
export const onOne = (options: WorldOptions, scenario: Scenario) => () => inWorld('0.33.0', options, scenario);
/** With the timing of every day. */
export const inEarnest = (options: WorldOptions, scenario: Scenario) =>
  onOne({ timing: defaultTiming, ...options }, scenario);

/** Steps of 50 ms each; 2 s of them. */
export const long = (count = 40) => steps({ steps: count, secondsPerStep: 0.1 });
export const short = () => steps({ steps: 2, secondsPerStep: 0.02 });

/** The id under which the server has the workflow that is `n`th in its hands: running first, then in the order of the queue. */
export async function idOn(server: ComfyUIStandIn, n: number): Promise<string> {
  const { queue_running, queue_pending } = await get<Queue>(server, '/queue');
  return String([...queue_running, ...queue_pending][n]?.[1]);
}

export const progressed = (state: JobState): boolean => state.progress > 10;
/** Whether frames have told of some steps, which of a job of thousands is no progress yet. */
export const stepped = ({ node }: JobState): boolean => (node?.value ?? 0) > 4;
/** Whether frames have told of steps after that state; a progress may also be a guess. */
export const steppedPast =
  ({ node }: JobState, by = 2) =>
  (state: JobState): boolean =>
    state.via === 'websocket' && (state.node?.value ?? 0) >= (node?.value ?? 0) + by;

/** A job whose socket is in the stale-socket trap: the client is back on a second one, and the first one's end evicted it. */
export async function inTheTrap({ run, comfy, proxy }: World): Promise<Followed> {
  const job = await run(long(3_000));
  await job.where(stepped);
  proxy.cutClients();
  await until(() => comfy.sockets() === 2);
  await job.where(steppedPast(job.states.at(-1)!));
  proxy.releaseServers();
  await until(() => comfy.sockets() === 1);
  return job;
}

/** The files a job made: node, kind, folder. */
export const files = ({ outputs = [] }: JobState) =>
  outputs.filter(isFile).map(({ nodeId, kind, type }) => [nodeId, kind, type]);
