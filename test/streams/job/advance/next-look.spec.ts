import { nextLookAtOf, type Job } from '../../../../streams/job/job';
import { defaultTiming as timing } from '../../../../streams/job/timing';
import { advance, aJob, aPosting, knowing, told, type Fact } from '../a-job';
import { cancelAsked, found, step } from '../facts';

describe('when it is looked at next', () => {
  const at = 500;
  const next = (job: Job, fact: Fact): number => nextLookAtOf(advance(job, told(fact, at))) - at;

  test('[R8] a frame puts the look off to the slow audit', () => {
    expect(next(aJob(), step(1))).toBe(timing.auditMs);
  });
  test('[R8] a frame of a job without a socket of its own does not', () => {
    expect(next(aJob({ linked: false }), step(1))).toBe(timing.pollMs);
  });
  test.each(['pending', 'running'] as const)('[R8] found %s, it is audited or polled', (where) => {
    expect(next(aJob(), found(where))).toBe(timing.auditMs);
    expect(next(aJob({ linked: false }), found(where))).toBe(timing.pollMs);
  });
  test('[R8] accepted, it is audited or polled', () => {
    expect(next(aPosting(), { tag: 'accepted', postedAt: 0 })).toBe(timing.auditMs);
    expect(next(aPosting({ linked: false }), { tag: 'accepted', postedAt: 0 })).toBe(timing.pollMs);
  });
  test('[R8] in no history yet, or unanswered, it is asked for again as often as before', () => {
    expect(next(aJob(), { tag: 'unended' })).toBe(timing.auditMs);
    expect(next(aJob({ linked: false }), { tag: 'unended' })).toBe(timing.pollMs);
    expect(next(aJob(), { tag: 'unanswered' })).toBe(timing.pollMs);
  });
  test('cancelled by us, soon', () => {
    expect(next(knowing(aJob(), { nextLookAt: 99_999 }), cancelAsked)).toBe(timing.soonMs);
  });
  test('cancelled by us before ComfyUI took it, only once it did', () => {
    const asked = advance(aPosting(), told(cancelAsked));
    expect(nextLookAtOf(asked)).toBe(Number.POSITIVE_INFINITY);
    expect(next(asked, { tag: 'accepted', postedAt: 0 })).toBe(timing.soonMs);
  });
});
