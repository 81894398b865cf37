import { firstValueFrom, Subject } from 'rxjs';
import type { Reply } from '../../../../gateway/wire/protocol';
import { UnknownJob } from '../../../../pipeline/api';
import { StoreUnavailable } from '../../../../sinks/job-store';
import type { JobState } from '../../../../streams/job/job-state';
import { ada, end, state, trial } from './trial';

const away = (): Promise<never> => Promise.reject(new StoreUnavailable('the store is away'));

/** A socket that has joined the job; what it reads of the job from then on is told by `reads`. */
async function joined() {
  let read: () => Promise<JobState | undefined> = () => Promise.resolve(state(1));
  const { socket, room$, settle } = trial(() => read());
  const { told, member } = socket(ada);
  const join = (): Promise<Reply> => new Promise((resolve) => member.join('j', resolve));
  const first = join();
  await settle();
  room$.next(state(1));
  await first;
  const reads = (how: typeof read): void => void (read = how);
  return { told, member, room$, join, reads };
}

test('a join that finds the store away leaves the earlier one in place, which brings the end', async () => {
  const { told, member, room$, join, reads } = await joined();
  reads(away);
  expect(await Promise.all([join(), join()])).toMatchObject([
    { ok: false, error: { code: 'store-unavailable' } },
    { ok: false, error: { code: 'store-unavailable' } },
  ]);
  room$.next(state(2));
  room$.next(end);
  room$.complete();
  expect(told).toEqual([2, 5]);
  member.close();
});

test('who left after such a join hears no more', async () => {
  const { told, member, room$, join, reads } = await joined();
  reads(away);
  await join();
  member.leave('j');
  room$.next(state(2));
  expect(told).toEqual([]);
  expect(room$.observed).toBe(false);
});

test('a join that is answered ends all earlier ones, also where one between was refused', async () => {
  const { told, member, room$, join, reads } = await joined();
  const readings: Subject<JobState>[] = [];
  reads(() => firstValueFrom((readings[readings.length] = new Subject<JobState>())));
  const replies = [join(), join()] as const;
  readings[0]!.error(new StoreUnavailable('the store is away'));
  expect(await replies[0]).toMatchObject({ error: { code: 'store-unavailable' } });
  readings[1]!.next(state(1));
  expect(await replies[1]).toMatchObject({ ok: true });
  room$.next(state(2));
  expect(told).toEqual([2]);
  member.leave('j');
  expect(room$.observed).toBe(false);
});

test('[R14] a join that finds no such job ends the earlier one', async () => {
  const { told, room$, join, reads } = await joined();
  reads(() => Promise.reject(new UnknownJob('j')));
  expect(await join()).toMatchObject({ error: { code: 'unknown-job' } });
  room$.next(state(2));
  expect(told).toEqual([]);
});

test('who watches all is answered with no older state than it was told, where the store lost its last second', async () => {
  const { socket, room$, look, settle } = trial();
  const { told, member } = socket(ada);
  member.watch(() => undefined);
  await look(state(3));
  const reply = new Promise<Reply>((resolve) => member.join('j', resolve));
  await settle();
  room$.next(state(1));
  expect(await reply).toMatchObject({ ok: true, job: { seq: 3 } });
  room$.next(state(4));
  expect(told).toEqual([4]);
  member.close();
});
