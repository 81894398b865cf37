import { from } from 'rxjs';
import type { JobState } from '../../../../../streams/job/job-state';
import { neverBackward } from '../../../../../streams/operators/never-backward';
import { defaultTiming as timing } from '../../../../../streams/job/timing';
import { SERVER } from '../../a-job';
import {
  abandoned,
  absent,
  accepted,
  broke,
  ended,
  executed,
  found,
  posting,
  started,
  step,
  succeeded,
} from '../../facts';
import { aRetried, resubmit, three } from './a-retried';

describe('a run that failed and may be repeated', () => {
  test.each([
    ['a frame', broke('out_of_memory')],
    ['its history', ended('out_of_memory')],
  ])('[R2] out of memory, as %s says, is queued again: one attempt on, its progress kept', (_who, fact) => {
    const { told, last, reruns } = aRetried(three);
    told('p', started, step(6));
    const { progress } = last();
    expect(progress).toBeGreaterThan(0);
    told('p', fact);
    expect(last()).toMatchObject({ status: 'queued', phase: 'waiting', attempt: 2, progress, epoch: 0 });
    expect(reruns()).toEqual(['out_of_memory']);
  });

  test('[R4] lost is queued again only after the looks that make it lost', () => {
    const { told, lose, last, reruns, later } = aRetried(resubmit);
    told('p', started, step(6));
    told('p', absent, absent);
    later(3 * timing.lostAfterMs);
    told('p', found('running'));
    expect(reruns()).toEqual([]);
    lose('p');
    expect(last()).toMatchObject({ status: 'queued', attempt: 2 });
    expect(reruns()).toEqual(['lost']);
  });

  test('says so exactly once, whoever tells of it again', () => {
    const { told, lose, reruns, take } = aRetried(resubmit);
    told('p', started, broke('out_of_memory'), broke('out_of_memory'), ended('out_of_memory'), abandoned);
    lose('p');
    take({ tag: 'unlinked', clientId: 'c', at: 99, clean: false });
    take({ tag: 'linked', clientId: 'c', at: 100 });
    take({ tag: 'garbled', clientId: 'c', at: 101 });
    take({ tag: 'queueLength', clientId: 'c', serverUrl: SERVER, remaining: 0, at: 102 });
    expect(reruns()).toEqual(['out_of_memory']);
  });

  test('says so once more for each run that fails', () => {
    const { told, reruns, last } = aRetried(three);
    told('p', broke('out_of_memory'), posting('r2'));
    told('r2', accepted(), started, broke('out_of_memory'));
    expect(reruns()).toEqual(['out_of_memory', 'out_of_memory']);
    expect(last()).toMatchObject({ status: 'queued', attempt: 3 });
  });

  test('is not looked up, nor lost, while it waits for the next run', () => {
    const { told, board, lose, last } = aRetried(resubmit);
    told('p', started, broke('out_of_memory'));
    expect(board.due(SERVER, 1e12)).toEqual([]);
    lose('p');
    expect(last()).toMatchObject({ status: 'queued', attempt: 2 });
  });

  test('shows a watcher the way back to the queue', () => {
    const { told, states } = aRetried(three);
    told('p', started, step(6), broke('out_of_memory'), posting('r2'));
    told('r2', accepted(), started, step(1), step(9), executed(), succeeded);
    const seen: JobState[] = [];
    from(states())
      .pipe(neverBackward())
      .subscribe((state) => seen.push(state));
    const turns = seen.map(({ attempt, status }) => `${attempt} ${status}`);
    expect([...new Set(turns)]).toEqual(['1 queued', '1 processing', '2 queued', '2 processing', '2 completed']);
    const progress = seen.map((state) => state.progress);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });
});
