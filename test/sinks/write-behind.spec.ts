import { defer, delay, lastValueFrom, map, of, throwError, type SchedulerLike } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { StoreUnavailable, type JobStore, type PutOutcome } from '../../sinks/job-store';
import { redisStore } from '../../sinks/redis/redis-store';
import { writeBehind } from '../../sinks/writing/queued-writes';
import { StaleState, Unwritten, type WriteBehind } from '../../sinks/writing/write-behind';
import { isNewer, type JobState } from '../../streams/job/job-state';
import { startRedis, type RedisServer } from '../support/redis/redis-server';
import { aState } from './a-state';
import { until } from '../support/until';

const WRITE_MS = 2;

/** A store in memory that takes 2 ms to answer, and can be down. Remembers what it was asked to write, and when. */
class SlowStore implements Pick<JobStore, 'put' | 'get' | 'remove'> {
  isUp = true;
  inFlight = 0;
  mostInFlight = 0;
  readonly held = new Map<string, JobState>();
  readonly writes: { readonly at: number; readonly promptId: string; readonly seq: number }[] = [];

  constructor(private readonly clock: SchedulerLike) {}

  put = (state: JobState) =>
    defer(() => {
      this.writes.push({ at: this.clock.now(), promptId: state.promptId, seq: state.seq });
      this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
      return of(state).pipe(
        delay(WRITE_MS, this.clock),
        map((written) => this.answer(written)),
      );
    });
  get = (promptId: string) =>
    this.isUp ? of(this.held.get(promptId)) : throwError(() => new StoreUnavailable('down'));
  remove = (promptId: string) => defer(() => of(this.held.delete(promptId)));

  private answer(state: JobState): PutOutcome {
    this.inFlight--;
    if (!this.isUp) throw new StoreUnavailable('down');
    const before = this.held.get(state.promptId);
    if (before !== undefined && !isNewer(state, before)) return 'stale';
    this.held.set(state.promptId, state);
    return 'stored';
  }
}

interface Scene {
  readonly store: SlowStore;
  readonly writer: WriteBehind;
  readonly reports: unknown[];
  /** What `onStale` was called with. */
  readonly stale: JobState[];
  /** Does something at a time in ms. */
  readonly at: (ms: number, action: () => void) => void;
}

/** Plays a scene in virtual time; what it returns is run at the end. */
function play(scene: (parts: Scene) => () => void, confirmMs = 0): void {
  const clock = new TestScheduler(() => true);
  let check: (() => void) | undefined;
  clock.run(({ flush }) => {
    const store = new SlowStore(clock);
    const reports: unknown[] = [];
    const backoff = { steadyMs: 0, delayMs: (n: number) => Math.min(1000, 100 * 2 ** (n - 1)) };
    const stale: JobState[] = [];
    const writer = writeBehind(store, {
      backoff,
      clock,
      confirmMs,
      onStale: (state) => stale.push(state),
      report: (_where, error) => reports.push(error),
    });
    check = scene({ store, writer, reports, stale, at: (ms, action) => void clock.schedule(action, ms) });
    flush();
  });
  check?.();
}

const timesOf = (store: SlowStore, promptId = 'job-1') =>
  store.writes.filter((write) => write.promptId === promptId).map(({ at, seq }) => [at, seq]);

test('writes the first state at once, then the newest four times a second', () =>
  play(({ store, writer, at }) => {
    for (let seq = 1; seq <= 100; seq++) at(seq * 10, () => writer.put(aState({ seq })));
    return () =>
      expect(timesOf(store)).toEqual([
        [10, 1],
        [260, 26],
        [510, 51],
        [760, 76],
        [1010, 100],
      ]);
  }));

test('writes a change of status at once, and paces what follows', () =>
  play(({ store, writer, at }) => {
    at(0, () => writer.put(aState({ seq: 1, status: 'queued' })));
    at(20, () => writer.put(aState({ seq: 2, status: 'processing' })));
    at(40, () => writer.put(aState({ seq: 3, status: 'processing' })));
    at(60, () => writer.put(aState({ seq: 4, status: 'completed' })));
    return () =>
      expect(timesOf(store)).toEqual([
        [0, 1],
        [20, 2],
        [60, 4],
      ]);
  }));

test('writes a change of status right after the write under way', () =>
  play(({ store, writer, at }) => {
    at(0, () => writer.put(aState({ seq: 1, status: 'queued' })));
    at(1, () => writer.put(aState({ seq: 2, status: 'completed' })));
    return () => {
      expect(timesOf(store)).toEqual([
        [0, 1],
        [WRITE_MS, 2],
      ]);
      expect(store.mostInFlight).toBe(1);
    };
  }));

test('ignores what is no newer than what waits', () =>
  play(({ store, writer, at }) => {
    at(0, () => writer.put(aState({ epoch: 2, seq: 5 })));
    at(0, () => writer.put(aState({ epoch: 2, seq: 4 })));
    at(0, () => writer.put(aState({ epoch: 1, seq: 9 })));
    return () => expect(timesOf(store)).toEqual([[0, 5]]);
  }));

test('reads what waits, else what is stored', () =>
  play(({ store, writer, at }) => {
    const seen: unknown[] = [];
    const look = () => writer.get('job-1').subscribe((state) => seen.push(state?.seq));
    store.held.set('job-1', aState({ seq: 1 }));
    at(0, look);
    at(1, () => writer.put(aState({ seq: 2 })));
    at(2, look);
    at(4, () => writer.put(aState({ seq: 3 })));
    at(5, () => {
      store.held.set('job-1', aState({ seq: 2 }));
      look();
    });
    at(300, look);
    return () => expect(seen).toEqual([1, 2, 3, 3]);
  }));

test('[R11] tells what the store refuses as stale, and tries it no more', () =>
  play(({ store, writer, reports, stale, at }) => {
    store.held.set('job-1', aState({ epoch: 9 }));
    at(0, () => writer.put(aState({ epoch: 8 })));
    return () => {
      expect(reports).toEqual([new StaleState(aState({ epoch: 8 }))]);
      expect(stale).toEqual([aState({ epoch: 8 })]);
      expect(store.writes).toHaveLength(1);
      expect(writer.pending()).toBe(0);
    };
  }));

describe('a settled state that is to be confirmed', () => {
  const CONFIRM_MS = 20_000;
  const settled = (own: Partial<JobState> = {}) => aState({ status: 'completed', ...own });

  test('is written once more, and no state besides', () =>
    play(({ store, writer, at }) => {
      at(0, () => writer.put(aState({ promptId: 'other' })));
      at(0, () => writer.put(settled()));
      at(10, () => expect(writer.pending()).toBe(0));
      return () => {
        expect(timesOf(store)).toEqual([
          [0, 1],
          [WRITE_MS + CONFIRM_MS, 1],
        ]);
        expect(timesOf(store, 'other')).toHaveLength(1);
      };
    }, CONFIRM_MS));

  test('is known to wait for that', () =>
    play(({ writer, at }) => {
      const known: boolean[] = [];
      const look = (): void => void known.push(writer.ends.awaits('job-1'));
      at(0, () => writer.put(settled()));
      at(WRITE_MS - 1, look);
      at(WRITE_MS + 1, look);
      at(WRITE_MS + CONFIRM_MS - 1, look);
      at(2 * (WRITE_MS + CONFIRM_MS), look);
      return () => expect(known).toEqual([false, true, true, false]);
    }, CONFIRM_MS));

  test('is back where a master took it along', () =>
    play(({ store, writer, at }) => {
      at(0, () => writer.put(settled()));
      at(100, () => store.held.clear());
      at(CONFIRM_MS, () => (store.isUp = false));
      at(CONFIRM_MS + 5000, () => (store.isUp = true));
      return () => expect(store.held.get('job-1')).toEqual(settled());
    }, CONFIRM_MS));

  test('is back at once where the store is known to have lost it, each time, and is confirmed all the same', () =>
    play(({ store, writer, at }) => {
      at(0, () => writer.put(settled()));
      for (const time of [1_000, 4_000]) {
        at(time, () => {
          store.held.clear();
          writer.ends.again();
        });
        at(time + 1_000, () => expect(store.held.get('job-1')).toEqual(settled()));
      }
      at(6_000, () => store.held.clear());
      at(CONFIRM_MS + 1_000, () => expect(store.held.get('job-1')).toEqual(settled()));
      at(CONFIRM_MS + 2_000, () => writer.ends.again());
      return () => expect(timesOf(store)).toHaveLength(4);
    }, CONFIRM_MS));

  test('[R11] is nobody’s trouble where it is written again and a newer one is there', () =>
    play(({ store, writer, reports, stale, at }) => {
      at(0, () => writer.put(settled()));
      at(100, () => store.held.set('job-1', settled({ epoch: 2e12 })));
      at(200, () => writer.ends.again());
      return () => expect([reports, stale]).toEqual([[], []]);
    }, CONFIRM_MS));

  test('[R11] is nobody’s trouble where a newer one is stored by then', () =>
    play(({ store, writer, reports, stale, at }) => {
      at(0, () => writer.put(settled()));
      at(100, () => store.held.set('job-1', settled({ epoch: 2e12 })));
      return () => {
        expect([reports, stale]).toEqual([[], []]);
        expect(store.held.get('job-1')).toMatchObject({ epoch: 2e12 });
      };
    }, CONFIRM_MS));

  test('is not where a newer one was put, the job was removed, or all is closed', () =>
    play(({ store, writer, at }) => {
      for (const promptId of ['again', 'removed', 'closed']) at(0, () => writer.put(settled({ promptId })));
      at(1000, () => writer.put(aState({ promptId: 'again', seq: 2 })));
      at(1000, () => writer.remove('removed').subscribe());
      at(2000, () => writer.close());
      return () => {
        expect(store.writes).toHaveLength(4);
        expect(store.held.has('removed')).toBe(false);
      };
    }, CONFIRM_MS));
});

test('what was written at once is not written again, but to renew it', () =>
  play(({ store, writer, at }) => {
    const state = aState({ seq: 1 });
    at(0, () => writer.write(state).subscribe((outcome) => expect(outcome).toBe('stored')));
    at(10, () => writer.put(state));
    at(20, () => writer.renew(state));
    return () =>
      expect(timesOf(store)).toEqual([
        [0, 1],
        [20, 1],
      ]);
  }));

describe('that a state is stored', () => {
  const told = ({ writer, at }: Scene, ms: number, state: JobState) => {
    const ended: { at?: number } = {};
    at(ms, () => writer.stored(state).subscribe({ complete: () => (ended.at = writer.pending()) }));
    return ended;
  };

  test('[R2] is told once it is, and it is written at once for that', () =>
    play((scene) => {
      const { store, writer, at } = scene;
      const second = aState({ seq: 2 });
      at(0, () => writer.put(aState({ seq: 1 })));
      at(10, () => writer.put(second));
      const ended = told(scene, 20, second);
      at(20, () => expect(ended.at).toBeUndefined());
      at(20 + WRITE_MS + 1, () => expect(ended.at).toBe(0));
      return () =>
        expect(timesOf(store)).toEqual([
          [0, 1],
          [20, 2],
        ]);
    }));

  test('is told without a write where it is stored already', () =>
    play((scene) => {
      const state = aState({ seq: 1 });
      scene.at(0, () => scene.writer.put(state));
      const ended = told(scene, 100, state);
      scene.at(100, () => expect(ended.at).toBe(0));
      return () => expect(scene.store.writes).toHaveLength(1);
    }));

  test('[R12] is waited for by nobody while the store is away', () =>
    play((scene) => {
      const state = aState({ seq: 2 });
      scene.store.isUp = false;
      scene.at(0, () => scene.writer.put(aState({ seq: 1 })));
      scene.at(50, () => scene.writer.put(state));
      const ended = told(scene, 60, state);
      scene.at(60, () => expect(ended.at).toBe(1));
      scene.at(100, () => (scene.store.isUp = true));
      return () => expect(scene.store.held.get('job-1')).toEqual(state);
    }));
});

test('forgets a removed job, also what waits of it', () =>
  play(({ store, writer, at }) => {
    at(0, () => writer.put(aState({ seq: 1 })));
    at(10, () => writer.put(aState({ seq: 2 })));
    at(20, () => writer.remove('job-1').subscribe());
    at(21, () => expect(writer.pending()).toBe(0));
    return () => {
      expect(store.held.size).toBe(0);
      expect(timesOf(store)).toEqual([[0, 1]]);
    };
  }));

test('reports and forgets what can never be written, but nothing newer', () =>
  play(({ store, writer, reports, at }) => {
    const { put } = store;
    const trouble = new TypeError('no JSON');
    store.put = (state) => (state.seq === 1 ? throwError(() => trouble) : put(state));
    at(0, () => writer.put(aState({ seq: 1 })));
    at(10, () => writer.put(aState({ seq: 2 })));
    return () => {
      expect(reports).toEqual([trouble]);
      expect(store.held.get('job-1')).toMatchObject({ seq: 2 });
      expect(writer.pending()).toBe(0);
    };
  }));

describe('[R12] while the store is down', () => {
  test('the newest state waits, is tried ever more slowly, and is written when the store is back', () =>
    play(({ store, writer, at }) => {
      store.isUp = false;
      for (let seq = 1; seq <= 50; seq++) at(seq * 100, () => writer.put(aState({ seq })));
      at(4000, () => expect(writer.pending()).toBe(1));
      at(5500, () => (store.isUp = true));
      return () => {
        const gaps = store.writes.slice(1).map(({ at: now }, i) => now - (store.writes[i]?.at ?? 0));
        expect(gaps).toEqual([102, 202, 402, 802, 1002, 1002, 1002, 1002]);
        expect(store.held.get('job-1')).toMatchObject({ seq: 50 });
        expect(writer.pending()).toBe(0);
      };
    }));

  test('the outage is reported once, and the next one again', () =>
    play(({ store, writer, reports, at }) => {
      for (let i = 0; i < 100; i++) at(i, () => writer.put(aState({ promptId: `job-${i}` })));
      store.isUp = false;
      at(5000, () => (store.isUp = true));
      at(10_000, () => expect(reports).toHaveLength(1));
      at(10_000, () => (store.isUp = false));
      at(10_001, () => writer.put(aState({ seq: 2 })));
      at(11_000, () => (store.isUp = true));
      return () => expect(reports).toEqual([new StoreUnavailable('down'), new StoreUnavailable('down')]);
    }));

  test('1e5 updates of 100 jobs are 100 states that wait', () =>
    play(({ store, writer, at }) => {
      store.isUp = false;
      const most: number[] = [];
      for (let ms = 0; ms < 1000; ms++) {
        at(ms, () => {
          for (let job = 0; job < 100; job++) writer.put(aState({ promptId: `job-${job}`, seq: ms + 1 }));
          most.push(writer.pending());
        });
      }
      at(1000, () => (store.isUp = true));
      return () => {
        expect(Math.max(...most)).toBe(100);
        expect([...store.held.values()].map(({ seq }) => seq)).toEqual(Array(100).fill(1000));
        expect(writer.pending()).toBe(0);
      };
    }));

  test('when it is back, all is written within a second', () =>
    play(({ store, writer, at }) => {
      store.isUp = false;
      for (let job = 0; job < 1000; job++) at(job, () => writer.put(aState({ promptId: `job-${job}` })));
      at(20_000, () => (store.isUp = true));
      at(21_100, () => expect(writer.pending()).toBe(0));
      return () => {
        expect(store.held.size).toBe(1000);
        expect(store.mostInFlight).toBeLessThanOrEqual(64);
      };
    }));
});

test('writes no more than 64 states at once', () =>
  play(({ store, writer, at }) => {
    at(0, () => {
      for (let job = 0; job < 1000; job++) writer.put(aState({ promptId: `job-${job}` }));
    });
    return () => {
      expect(store.held.size).toBe(1000);
      expect(store.mostInFlight).toBe(64);
    };
  }));

describe('drain', () => {
  const draining = ({ writer, at }: Scene, fromMs: number, timeoutMs: number) => {
    const ended: { as?: unknown } = {};
    at(fromMs, () =>
      writer.drain(timeoutMs).subscribe({
        error: (error: unknown) => (ended.as = error),
        complete: () => (ended.as = 'drained'),
      }),
    );
    return ended;
  };

  test('completes at once where nothing waits', () =>
    play((scene) => {
      const ended = draining(scene, 0, 1000);
      scene.at(1, () => expect(ended.as).toBe('drained'));
      return () => expect(scene.reports).toEqual([]);
    }));

  test('loses nothing: neither what is held back, nor what is under way, nor what failed', () =>
    play((scene) => {
      const { store, writer, at } = scene;
      for (let job = 0; job < 500; job++) {
        at(0, () => writer.put(aState({ promptId: `job-${job}`, seq: 1 })));
        at(1, () => writer.put(aState({ promptId: `job-${job}`, seq: 2 })));
      }
      store.isUp = false;
      at(300, () => (store.isUp = true));
      const ended = draining(scene, 2, 10_000);
      return () => {
        expect(ended.as).toBe('drained');
        expect([...store.held.values()].map(({ seq }) => seq)).toEqual(Array(500).fill(2));
      };
    }));

  test('says how many are left when the time is up', () =>
    play((scene) => {
      scene.store.isUp = false;
      for (const promptId of ['a', 'b', 'c']) scene.at(0, () => scene.writer.put(aState({ promptId })));
      const ended = draining(scene, 0, 3000);
      scene.at(2999, () => expect(ended.as).toBeUndefined());
      scene.at(3001, () => expect(ended.as).toEqual(new Unwritten(3)));
      scene.at(3002, () => scene.writer.close());
      return () => expect(scene.writer.pending()).toBe(3);
    }));

  test('is not kept waiting by what can never be written', () =>
    play((scene) => {
      scene.store.put = () => throwError(() => new TypeError('no JSON'));
      scene.at(0, () => scene.writer.put(aState({ seq: 1 })));
      scene.at(1, () => scene.writer.put(aState({ seq: 2 })));
      const ended = draining(scene, 2, 5000);
      scene.at(300, () => expect(ended.as).toBe('drained'));
      return () => expect(scene.reports).toHaveLength(2);
    }));
});

test('close ends all, and what is put later is reported', () =>
  play(({ store, writer, reports, at }) => {
    at(0, () => writer.put(aState({ seq: 1 })));
    at(1, () => writer.put(aState({ seq: 2 })));
    at(10, () => writer.close());
    at(20, () => writer.put(aState({ seq: 3 })));
    return () => {
      expect(timesOf(store)).toEqual([[0, 1]]);
      expect(reports).toEqual([new Unwritten(1)]);
    };
  }));

describe('[R12] with a Redis that is killed while a thousand jobs go on', () => {
  let server: RedisServer;
  let store: JobStore;
  let writer: WriteBehind;
  const reports: unknown[] = [];
  const report = (_where: string, error: unknown) => void reports.push(error);

  beforeAll(async () => {
    server = await startRedis();
    store = redisStore({ url: server.url, report });
    writer = writeBehind(store, { report });
  });
  afterAll(async () => {
    writer.close();
    await lastValueFrom(store.close(), { defaultValue: undefined });
    await server.stop();
  });

  test('the newest state of each is read meanwhile, and stored when Redis is back', async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `job-${i}`);
    const putAll = (seq: number) => ids.forEach((promptId) => writer.put(aState({ promptId, seq })));

    putAll(1);
    await until(() => writer.pending() < 500);
    await server.kill();
    for (let seq = 2; seq <= 20; seq++) putAll(seq);
    expect(writer.pending()).toBe(1000);
    expect(await lastValueFrom(writer.get('job-7'))).toMatchObject({ seq: 20 });

    await server.start();
    await lastValueFrom(writer.drain(15_000), { defaultValue: undefined });
    for (const promptId of ids) expect(await lastValueFrom(store.get(promptId))).toMatchObject({ seq: 20 });
    expect(reports.filter((error) => error instanceof StaleState)).toEqual([]);
    expect(reports.filter((error) => error instanceof StoreUnavailable)).toHaveLength(1);
  });
});
