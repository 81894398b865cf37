import type { WatchReply } from '../../../../gateway/wire/protocol';
import { ada, bob, end, state, trial } from './trial';

describe('who watches all and is in a room', () => {
  test('hears nothing after a job’s end from a look that was under way; who watches alone hears the end at once', async () => {
    const { socket, room$, look, nextLook, settle } = trial();
    const [ann, alone] = [socket(ada), socket(ada)];
    [ann, alone].forEach(({ member }) => member.watch(() => undefined));
    await look(state(1));
    ann.member.join('j', () => undefined);
    room$.next(state(1));
    await settle();
    nextLook(3_500);
    room$.next(state(4));
    room$.next(end);
    room$.complete();
    await look(state(3));
    expect(ann.told).toEqual([4, 5]);
    expect(alone.told).toEqual([4, 5]);
    [ann, alone].forEach(({ member }) => member.close());
  });

  test('and leaves it hears no state again, nor an older one', async () => {
    const { socket, room$, look, nextLook, settle } = trial();
    const { told, member } = socket(ada);
    member.watch(() => undefined);
    await look(state(1));
    member.join('j', () => undefined);
    room$.next(state(1));
    await settle();
    room$.next(state(4));
    member.leave('j');
    nextLook(3_500);
    await look(state(3));
    nextLook(7_000);
    await look(state(4));
    nextLook(10_500);
    await look(state(6));
    expect(told).toEqual([4, 6]);
    member.close();
  });

  test('shows what it was told to who asks for all', async () => {
    const { socket, room$, look, settle } = trial();
    const [bobs, { member }] = [socket(bob), socket(ada)];
    bobs.member.watch(() => undefined);
    await look(state(1));
    member.join('j', () => undefined);
    room$.next(state(1));
    await settle();
    room$.next(state(4));
    const answer = new Promise<WatchReply>((resolve) => member.watch(resolve));
    expect(await answer).toMatchObject({ ok: true, jobs: [{ promptId: 'j', seq: 4 }] });
    [bobs.member, member].forEach((each) => each.close());
  });

  test('has a job that it was shown before a look found it told to others', async () => {
    const { socket, room$, look, nextLook, settle } = trial();
    const [ann, alone] = [socket(ada), socket(ada)];
    alone.member.watch(() => undefined);
    await look();
    ann.member.join('j', () => undefined);
    room$.next(state(1));
    await settle();
    nextLook(3_500);
    await look(state(1));
    expect(alone.told).toEqual([1]);
    [ann, alone].forEach(({ member }) => member.close());
  });
});
