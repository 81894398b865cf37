import { frameLanes } from '../../../sources/frames/lanes';

const idOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** The lanes of a socket, and the id of the lane that is found for a job's frame. */
function lanesOfFrames() {
  const lanes = frameLanes();
  const laneOf = (promptId: string): string | undefined => {
    const frame = Buffer.from(`{"type": "progress_state", "data": {"prompt_id": "${promptId}", "nodes": {}}}`);
    return lanes.of(frame, 'progress_state', 0, frame.length, 0)?.promptId;
  };
  return { laneOf, forget: (n: number) => lanes.forget(idOf(n)), named: (n: number) => laneOf(idOf(n)) };
}

test('a frame is in the lane of its job, in whichever order they come, and whatever the length of an id', () => {
  const { laneOf } = lanesOfFrames();
  const ids = [idOf(1), idOf(2), 'short', idOf(3), `${idOf(1)}-and-more`];
  const orders = [ids, ids, [...ids].reverse(), ids.flatMap((id) => [id, id]), ids];
  for (const order of orders) expect(order.map(laneOf)).toEqual(order);
});

test('a frame is not in the lane of a job that has ended, though that came next before and its place is taken', () => {
  const { named, forget } = lanesOfFrames();
  [1, 2, 5].forEach(named);
  forget(2);
  // 3 has the place of 2 in memory, and 1 was followed by 2 before.
  expect([3, 1, 3, 5, 2].map(named)).toEqual([3, 1, 3, 5, 2].map(idOf));
});
