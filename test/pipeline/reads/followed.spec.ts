import { bounds } from '../../../streams/bounds';
import { hurriedClock } from '../../support/pipeline/hurried-clock';
import { onOneRedis } from '../../support/pipeline/one-redis';
import { until } from '../../support/until';

const one = onOneRedis();

test('of more jobs than an instance writes in a second, the bars of those that are watched, here or elsewhere, move each second; a list and `states$` have the others moved at turns', async () => {
  const userLimits = { jobs: Infinity, bytes: Infinity, nodes: Infinity };
  const { pipeline } = one.instance({ userLimits, clock: hurriedClock(3) });
  const elsewhere = one.instance();
  const moved = new Map<string, number>();
  pipeline.states$.subscribe(({ promptId }) => moved.set(promptId, (moved.get(promptId) ?? 0) + 1));
  const reported = { steps: 20 };
  const opened = Array.from({ length: bounds.writesPerSecond + 10 }, () =>
    pipeline.open({ type: 'lora_training', userId: 'ada', reported }),
  );
  const ids = (await Promise.all(opened)).map(({ promptId }) => promptId);
  const here = pipeline.watch(ids[0]!).subscribe();
  const there = elsewhere.watch(ids[1]!);
  for (const value of [1, 2])
    await Promise.all(ids.map((promptId) => pipeline.report(promptId, { count: value, value, max: 20 })));
  await there.where(({ node }) => node?.value === 2);
  await elsewhere.pipeline.list();
  const movedSince = (before: ReadonlyMap<string, number>) =>
    ids.slice(0, 3).map((id) => (moved.get(id) ?? 0) - (before.get(id) ?? 0));
  const whileUnwatchedMoves = async (times: number): Promise<readonly number[]> => {
    const before = new Map(moved);
    await until(() => movedSince(before)[2]! >= times);
    return movedSince(before);
  };
  await whileUnwatchedMoves(2);
  // Each second one, and each other second the other; a machine whose ticks come late has both moved at each, for a while.
  await until(async () => {
    const [watchedHere = 0, watchedThere = 0] = await whileUnwatchedMoves(4);
    return Math.min(watchedHere, watchedThere) >= 6;
  });
  here.unsubscribe();
});
