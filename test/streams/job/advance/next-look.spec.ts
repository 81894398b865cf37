import { type Job } from '../../../../streams/job/job';
import { defaultTiming as timing } from '../../../../streams/job/timing';
import { advance, after, aJob, aPosting, knowing, told, type Fact } from '../a-job';
import { cancelAsked, found, step } from '../facts';
import { nextLookAtOf } from '../../../../streams/job/advance/next-look';

describe('when it is looked at next', () => {
  const at = 500;
  const next = (job: Job, fact: Fact): number => nextLookAtOf(advance(job, told(fact, at))) - at;

  test('[R8] a frame puts the look off to the slow audit', () => {
    expect(next(aJob(), step(1))).toBe(timing.auditMs);
  });
  test('[R8] a frame of a job without a socket of its own does not', () => {
    expect(next(aJob({ linked: false }), step(1))).toBe(timing.pollMs);
  });
  test.each(['pending', 'running'] as const)('[R8] found %s without a socket, it is polled', (where) => {
    const job = advance(aJob({ linked: false }), told(found(where)));
    expect(next(job, found(where))).toBe(timing.pollMs);
  });
  test('[R8] each audit that tells nothing new is followed by the next after twice the time, two minutes at most', () => {
    const audits = (job: Job, fact: Fact): number[] => {
      const times: number[] = [];
      for (let audited = job; times.length < 3; audited = advance(audited, told(fact, at))) {
        times.push(next(audited, fact) / timing.auditMs);
      }
      return times;
    };
    expect(audits(aJob(), found('pending'))).toEqual([4, 4, 4]);
    const running = advance(aJob(), told(step(1)));
    expect(audits(running, found('running'))).toEqual([2, 4, 4]);
    expect(audits(running, { tag: 'unended' })).toEqual([2, 4, 4]);
  });
  test.each<[string, Fact]>([
    ['a frame', step(2)],
    ['the start that only a look told of', found('running')],
  ])('[R8] after %s audits begin anew', (_, fact) => {
    const waited = after(aJob(), found('pending'), found('pending'));
    expect(next(waited, fact)).toBe(timing.auditMs);
  });
  test('[R8] audits of a job that is cancelled, and still runs, come no later', () => {
    const audited = after(aJob(), step(1), cancelAsked, found('running'));
    expect(next(audited, found('running'))).toBe(timing.auditMs);
  });
  test('[R8] polls count for no audit', () => {
    const polled = after(aJob({ linked: false }), step(1), found('running'));
    expect(next({ ...polled, linked: true }, found('running'))).toBe(2 * timing.auditMs);
  });
  test('[R8] accepted, it is audited or polled', () => {
    expect(next(aPosting(), { tag: 'accepted', postedAt: 0 })).toBe(2 * timing.auditMs);
    expect(next(aPosting({ linked: false }), { tag: 'accepted', postedAt: 0 })).toBe(timing.pollMs);
  });
  test('[R8] in no history yet, or unanswered, without a socket it is asked for again as often as before', () => {
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
