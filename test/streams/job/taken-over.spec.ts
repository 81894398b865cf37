import { takenOver } from '../../../streams/job/job';
import { aState } from '../../sinks/a-state';

const kept = aState({ epoch: 5, updatedAt: 10_000, etaMs: 60_000 });

test('[R11] whoever takes a job over raises its epoch, whatever its clock says', () => {
  expect(takenOver(kept, 20_000)).toMatchObject({ epoch: 20_000, updatedAt: 20_000, seq: kept.seq });
  expect(takenOver({ ...kept, epoch: 30_000 }, 20_000).epoch).toBe(30_001);
});

test('the time left is less by the time that nobody told of it, and untold once that is over', () => {
  expect(takenOver(kept, 25_000).etaMs).toBe(45_000);
  expect(takenOver(kept, 9_000).etaMs).toBe(60_000);
  expect(takenOver(kept, 70_000)).not.toHaveProperty('etaMs');
  const { etaMs: _, ...untold } = kept;
  expect(takenOver(untold, 25_000)).not.toHaveProperty('etaMs');
});
