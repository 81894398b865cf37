import { defaultTiming as timing } from '../../../../../streams/job/timing';
import { advance, aJob, aPosting, after, told, type Fact } from '../../a-job';
import { absences, cancelAsked, found, started, step, succeeded } from '../../facts';
import { nextLookAtOf } from '../../../../../streams/job/advance/next-look';

describe('a job that is found nowhere', () => {
  test('[R4] is lost after three good looks over ten seconds', () => {
    const { state } = absences(aJob(), 0, 5_100, 10_200);
    expect(state).toMatchObject({
      status: 'failed',
      phase: 'settled',
      failure: { kind: 'lost', retryable: true },
      finishedAt: 10_200,
    });
  });

  test('[R4] is not lost after two looks, however far apart', () => {
    expect(absences(aJob(), 0, 3_600_000).state.status).toBe('queued');
  });

  test('[R4] is not lost after many looks within ten seconds', () => {
    expect(absences(aJob(), 0, 100, 200, 300, 9_999).state.status).toBe('queued');
  });

  test('[R4] is not lost by a look that a slow server answered after ten seconds, but was asked for within them', () => {
    const job = absences(aJob(), 0, 5_100);
    const late = advance(job, told({ tag: 'absent', askedAt: 9_900 }, 15_000));
    expect(late.state.status).toBe('queued');
    expect(advance(late, told({ tag: 'absent', askedAt: 20_100 }, 20_200)).state.failure?.kind).toBe('lost');
  });

  test('[R4] is lost ten seconds after the clock was set back', () => {
    const job = absences(aJob(), 3_600_000, 0, 5_100);
    expect(job.state.status).toBe('queued');
    expect(absences(job, 10_200).state.failure?.kind).toBe('lost');
  });

  test('[R4] is looked for as often as it takes', () => {
    expect(nextLookAtOf(absences(aJob(), 0))).toBe(timing.suspectMs);
    expect(2 * timing.suspectMs).toBeGreaterThanOrEqual(timing.lostAfterMs);
  });

  test.each<Fact>([step(1), found('running'), found('pending'), started])(
    '[R4] is not lost where $tag came between',
    (fact) => {
      const between = advance(absences(aJob(), 0, 5_100), told(fact, 6_000));
      expect(absences(between, 10_200, 15_300).state.status).not.toBe('failed');
      expect(absences(between, 10_200, 15_300, 20_400).state.failure?.kind).toBe('lost');
    },
  );

  test('[R4] is not lost before ComfyUI took it', () => {
    const posted = aPosting();
    expect(absences(posted, 0, 5_100, 10_200)).toBe(posted);
  });

  test('[R4] is cancelled after one look where we asked for that', () => {
    const { state } = absences(after(aJob(), cancelAsked), 1);
    expect(state).toMatchObject({ status: 'failed', failure: { kind: 'cancelled', retryable: false } });
  });

  test('[R4] is not cancelled after it succeeded', () => {
    expect(absences(after(aJob(), cancelAsked, succeeded), 1).state.status).toBe('processing');
  });

  test('[R4] is missing its outputs where it succeeded', () => {
    const job = after(aJob(), succeeded);
    expect(absences(job, 1, 751).state.status).toBe('processing');
    expect(absences(job, 1, 751, 10_001).state.failure?.kind).toBe('missing_output');
  });

  test('[R4] is completed where history turns up after all', () => {
    const job = absences(aJob(), 0, 5_100);
    expect(advance(job, told({ tag: 'ended', outcome: [] }, 10_200)).state.status).toBe('completed');
  });
});
