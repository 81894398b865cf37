import { isAtServer } from '../../../../streams/job/job';
import { advance, aJob, aPosting, after, aState, told, type Fact } from '../a-job';
import { absent, accepted, cancelAsked, ended, found } from '../facts';

/** Three good looks that find it nowhere, five seconds apart. */
const thrice = [1_000, 6_000, 11_500].map((at) => told(absent, at));
/** A job that was silent, or polled, before its socket was open again. */
const polledBefore = (linked: boolean) => aJob({ linked, state: aState({ via: 'polling' }) });

describe('how news of a job comes', () => {
  test.each<[string, Fact]>([
    ['finds it waiting', found('pending', 1)],
    ['finds it running', found('running')],
    ['finds it nowhere', absent],
    ['finds that it has not ended', { tag: 'unended' }],
  ])('is told by a look that %s: by its socket where that is open, else by polling', (_what, look) => {
    expect(after(polledBefore(true), look).state.via).toBe('websocket');
    expect(after(aJob({ linked: false }), look).state.via).toBe('polling');
  });

  test('is told once, and not with each look', () => {
    const first = advance(polledBefore(true), thrice[0]!);
    const second = advance(first, thrice[1]!);
    expect([first.state.seq, second.state]).toEqual([2, first.state]);
    expect(isAtServer(second) && second.stage.absences.count).toBe(2);
  });

  test('is not told by an answer that says nothing of the job', () => {
    const before = polledBefore(true);
    expect(after(before, { tag: 'unanswered' }).state).toEqual(before.state);
    expect(after(before, { tag: 'unreadable' }).state).toEqual(before.state);
  });

  test('is told when ComfyUI takes it: its socket may have opened since it was submitted', () => {
    expect(after(aPosting({ state: aState({ via: 'polling' }) }), accepted()).state.via).toBe('websocket');
    expect(after(aPosting({ linked: false }), accepted()).state.via).toBe('polling');
  });

  test('stays at an end that a look tells of while its socket is open', () => {
    expect(after(aJob(), ended()).state).toMatchObject({ status: 'completed', via: 'websocket' });
    expect(after(polledBefore(true), ended()).state).toMatchObject({ status: 'completed', via: 'polling' });
  });

  test('is polling at an end that a look tells of while its socket is away', () => {
    const away = aJob({ linked: false });
    expect(away.state.via).toBe('websocket');
    expect(after(away, ended()).state).toMatchObject({ status: 'completed', via: 'polling' });
    expect(after(away, cancelAsked, absent).state).toMatchObject({ status: 'failed', via: 'polling' });
  });

  test('[R4] is the socket of a job that its server forgot, where that was open while it was looked for', () => {
    const lost = (linked: boolean) => thrice.reduce(advance, polledBefore(linked)).state;
    expect(lost(true)).toMatchObject({ failure: { kind: 'lost' }, via: 'websocket' });
    expect(lost(false)).toMatchObject({ failure: { kind: 'lost' }, via: 'polling' });
  });

  test('[R4] is polling where the socket opened only before the last of those looks', () => {
    const looked = thrice.slice(0, 2).reduce(advance, polledBefore(false));
    const linked = { ...looked, linked: true };
    expect(advance(linked, thrice[2]!).state).toMatchObject({ failure: { kind: 'lost' }, via: 'polling' });
  });
});
