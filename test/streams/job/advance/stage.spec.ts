import { noVersions } from '../../../../streams/maps/versions';
import type { Job } from '../../../../streams/job/job';
import { advance, aFailure, aJob, aPosting, after, aState, told, type Fact } from '../a-job';
import { absent, broke, cancelAsked, executed, found, started, succeeded } from '../facts';

describe('the stage of a job', () => {
  const posting: Fact = { tag: 'posting', runId: 'r2', clientId: 'c2', serverUrl: 'http://elsewhere' };
  const between = after(aJob({ state: aState({ retry: { maxAttempts: 3 } }) }), started, broke('out_of_memory'));

  test.each<[Job['stage']['tag'], Job]>([
    ['posting', aPosting()],
    ['posting', advance(between, told(posting, 1))],
    ['watched', after(aPosting(), { tag: 'accepted', postedAt: 0 })],
    ['watched', after(aPosting(), started)],
    ['watched', after(aPosting(), found('pending'))],
    ['fetchingOutputs', after(aPosting(), succeeded)],
    ['betweenRuns', between],
    ['settled', after(aPosting(), { tag: 'refused', failure: aFailure('rejected') })],
    ['settled', after(aJob(), started, executed('3'), succeeded)],
  ])('%s', (tag, job) => {
    expect(job.stage.tag).toBe(tag);
  });

  test('keeps a cancel that was asked for before ComfyUI took the run', () => {
    const asked = after(aPosting(), cancelAsked, started);
    expect(asked.stage).toMatchObject({ tag: 'watched', cancelAsked: true, whole: true });
    expect(advance(asked, told(broke('interrupted'), 9)).state.failure?.kind).toBe('cancelled');
  });

  test.each([aPosting(), after(aJob(), started)])('keeps when a cancel was asked for first', (job) => {
    const twice = [5, 9].reduce((job, at) => advance(job, told(cancelAsked, at)), job);
    expect(twice.state.cancelAskedAt).toBe(5);
  });

  test('begins anew with the next run: nothing of the last one is left', () => {
    const next = after(between, posting, { tag: 'accepted', postedAt: 0 });
    expect(next.stage).toMatchObject({ run: undefined, whole: false, heardAt: 0, absences: { count: 0 } });
    expect(next.stage).toMatchObject({ outputs: noVersions, pictures: [], pictureBytes: 0, targets: undefined });
  });

  test.each([aPosting(), after(aJob(), started), after(aJob(), succeeded)])(
    'is not changed by a post of the next run before the last one failed',
    (job) => {
      expect(advance(job, told(posting, 9))).toBe(job);
    },
  );

  test('[R3] waits for history, whatever comes from the start of the run after its success', () => {
    const late = after(aJob(), succeeded, started, executed('3'), succeeded);
    expect(late.stage.tag).toBe('fetchingOutputs');
    expect(late.state.status).toBe('processing');
  });

  test.each<Fact>([{ tag: 'unended' }, { tag: 'unanswered' }, { tag: 'unreadable' }, absent])(
    'is not changed by $tag before ComfyUI took the run',
    (fact) => {
      const job = aPosting();
      expect(advance(job, told(fact, 9))).toBe(job);
    },
  );
});
