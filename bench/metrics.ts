/** `npm run bench:metrics`: what a frame costs from the socket to what a reader is sent, and what counting it costs, in one run. */
import { prometheusMetrics } from '../gateway/metrics';
import type { GatewayTelemetry } from '../gateway/metrics/gateway-event';
import type { MetricsEvent } from '../gateway/metrics/handlers';
import { encodedState } from '../gateway/sockets/encoded-state';
import { observedWire, type Wire } from '../gateway/sockets/wire';
import { jobViews } from '../gateway/wire/job-views';
import { serverListener } from '../pipeline/telemetry/observed-server';
import type { SocketListener } from '../sources/telemetry/socket-listener';
import type { Telemetry } from '../pipeline/telemetry/telemetry-event';
import { decoded } from '../sources/session';
import { jobBoard } from '../streams/board/board';
import { jobOf, queuedState } from '../streams/job/job';
import { defaultTiming } from '../streams/job/timing';
import { graphOf, type Workflow } from '../streams/job/workflow';
import { exchangesOf, framesOf, recordingOf } from '../test/support/replay/recordings';

const ROUNDS = 100;
const LIVES_A_ROUND = 25;

const recording = recordingOf('0.33.0', 'reconnect-same-client');
const post = exchangesOf(recording).find(({ path }) => path === '/prompt');
const { prompt } = post?.body as { readonly prompt: Workflow };
const { prompt_id: promptId } = post?.response as { readonly prompt_id: string };
/** Small ones: what metrics cost shows most. */
const frames = framesOf(recording)
  .filter((frame) => typeof frame === 'string' && frame.includes('"progress'))
  .map((text) => Buffer.from(text as string));
const origin = { clientId: 'c', serverUrl: 'http://comfyui', at: 0 };
const report = (where: string, error: unknown): never => {
  throw new Error(where, { cause: error });
};

let sent = 0;
const wire: Wire = {
  isDrained: () => true,
  backlogBytes: () => 0,
  states: (jobs) => {
    for (const job of jobs) sent += encodedState(job).text.length;
  },
  end: () => undefined,
  preview: () => undefined,
  cut: () => undefined,
};

const metrics = prometheusMetrics();
const plain: Way = { tell: undefined, listener: undefined, wire };
const heardBy = (tell: Telemetry & GatewayTelemetry): Way => ({
  tell,
  listener: serverListener('server-1', tell),
  wire: observedWire(wire, 'socket_io', tell),
});

interface Way {
  readonly tell: Telemetry | undefined;
  readonly listener: SocketListener | undefined;
  readonly wire: Wire;
}

/** One job's life: its frames, from the socket's message to a reader's. */
function live({ tell, listener, wire }: Way): void {
  const board = jobBoard(defaultTiming);
  const views = jobViews(() => [{ url: origin.serverUrl, name: 'server-1' }]);
  const state = queuedState({ promptId, type: 'bench', userId: 'u', serverUrl: origin.serverUrl, at: 0 });
  const job = jobOf({ ...state, clientId: 'c' }, { graph: graphOf(prompt), accepted: true });
  board.take({ tag: 'opened', job });
  for (const frame of frames) {
    listener?.frame();
    for (const event of [{ tag: 'heard' as const, clientId: 'c', at: 0 }, ...decoded(frame, false, origin, report)])
      for (const change of board.take(event)) {
        if (change.tag !== 'state') continue;
        tell?.(change);
        wire.states([views.of(change.state, { role: 'user' })]);
      }
  }
  tell?.({ tag: 'released', promptId });
}

/** Microseconds of processor time a frame, of so many lives: what else the machine does is not counted. */
function cost(lives: number, life: () => void): number {
  // Nobody pays for the other's garbage.
  globalThis.gc?.();
  const before = process.cpuUsage();
  for (let n = 0; n < lives; n++) life();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (lives * frames.length);
}

/** What a life tells the metrics, in its order: counted alone, since it is less than two runs of the same differ by. */
const told: MetricsEvent[] = [];
live(heardBy((event) => void told.push(event)));

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

const count = metrics.telemetry as (event: MetricsEvent) => void;
const rounds = Array.from({ length: ROUNDS }, () => ({
  frame: cost(LIVES_A_ROUND, () => {
    live(plain);
  }),
  counting: cost(40 * LIVES_A_ROUND, () => {
    for (const event of told) count(event);
  }),
})).slice(5);
const frame = median(rounds.map((round) => round.frame));
const counting = median(rounds.map((round) => round.counting));
console.log(`${frames.length} frames a job, ${ROUNDS} rounds, ${sent} bytes for readers`);
console.log(`  a frame    ${frame.toFixed(2).padStart(7)} µs, from the socket's message to a reader's`);
console.log(`  counting   ${counting.toFixed(2).padStart(7)} µs a frame`);
console.log(`  that is    ${((100 * counting) / frame).toFixed(1).padStart(7)} %; 2 % at most`);
