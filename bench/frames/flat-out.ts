/** What a frame costs where frames come as fast as they are taken, beside what it costs others. */
import { aContender, median, type Feeder, type Measured } from './stage';
import type { Load, Way } from './talk';
import { chunksOf } from './wire-frames';

export interface Effort {
  readonly rounds: number;
  /** About how many ms of CPU time a measurement takes. */
  readonly ms: number;
}

/** The frames of a measurement: whole writes of the feeder, and the `status` at the end. */
export function framesFor(load: Load, { ms }: Effort): number {
  const chunks = chunksOf(load);
  const perChunk = chunks.reduce((sum, { frames }) => sum + frames, 0) / chunks.length;
  const bytes = chunks[0]!.bytes.length / chunks[0]!.frames;
  const microseconds = 3.5 + bytes / 400;
  return Math.max(2 * load.jobs, Math.ceil((ms * 1_000) / microseconds / perChunk) * Math.round(perChunk));
}

/** One contender in one round. */
export interface Round {
  readonly microseconds: number;
  readonly perSecond: number;
}

/** All contenders take the same frames, one after the other, round after round; the first round warms them up. */
export async function rounds(
  feeder: Feeder,
  contenders: readonly (readonly [Measured, Load])[],
  effort: Effort,
): Promise<ReadonlyMap<Measured, readonly Round[]>> {
  const all = new Map<Measured, Round[]>(contenders.map(([contender]) => [contender, []]));
  for (let round = 0; round <= effort.rounds; round += 1)
    for (const [contender, load] of contenders) {
      const wanted = framesFor(load, effort);
      const feed = (clientId: string, end: number) =>
        feeder.ask<{ frames: number; seconds: number }>({ tag: 'flood', clientId, load, frames: wanted, end });
      const { cpuMs, wallMs, frames } = await contender.cost(feed, countOf(load, wanted) + 1);
      if (round > 0)
        all.get(contender)?.push({ microseconds: (cpuMs * 1_000) / frames, perSecond: (frames * 1_000) / wallMs });
    }
  return all;
}

/** As many as the feeder sends: it writes whole chunks. */
function countOf(load: Load, wanted: number): number {
  const chunks = chunksOf(load);
  let sent = 0;
  for (let n = 0; sent < wanted; n += 1) sent += chunks[n % chunks.length]!.frames;
  return sent;
}

export interface Line {
  readonly what: string;
  readonly microseconds: number;
  readonly perSecond: number;
  /** Beside what it is compared with, the median of the rounds. */
  readonly ratio: number;
}

const lineOf = (what: string, own: readonly Round[], beside: readonly Round[]): Line => ({
  what,
  microseconds: median(own.map(({ microseconds }) => microseconds)),
  perSecond: median(own.map(({ perSecond }) => perSecond)),
  ratio: median(own.map(({ microseconds }, n) => microseconds / (beside[n]?.microseconds ?? NaN))),
});

const ALL: readonly Way[] = ['receive', 'parse', 'saintno', 'stable-canvas', 'ours'];

/** Everybody beside the bare loop that receives and parses. */
export async function beside(
  feeder: Feeder,
  load: Load,
  effort: Effort,
  ways: readonly Way[] = ALL,
): Promise<readonly Line[]> {
  const contenders: Measured[] = [];
  for (const way of ways) contenders.push(await aContender(feeder, way, load));
  const all = await rounds(
    feeder,
    contenders.map((contender) => [contender, load] as const),
    effort,
  );
  await Promise.all(contenders.map(({ stop }) => stop()));
  const parse = all.get(contenders.find(({ way }) => way === 'parse')!) ?? [];
  return contenders.map((contender) => lineOf(contender.way, all.get(contender) ?? [], parse));
}

/** Ours with so many jobs, beside ours with one. */
export async function growth(
  feeder: Feeder,
  nodes: Load['nodes'],
  jobs: readonly number[],
  effort: Effort,
): Promise<readonly Line[]> {
  const contenders: (readonly [Measured, Load])[] = [];
  for (const many of jobs) {
    const load = { nodes, jobs: many };
    contenders.push([await aContender(feeder, 'ours', load), load]);
  }
  const all = await rounds(feeder, contenders, effort);
  await Promise.all(contenders.map(([{ stop }]) => stop()));
  const one = all.get(contenders[0]![0]) ?? [];
  return contenders.map(([contender, load]) => lineOf(`${load.jobs}`, all.get(contender) ?? [], one));
}
