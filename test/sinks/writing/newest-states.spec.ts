import { throwError } from 'rxjs';
import { StaleState, Unwritten } from '../../../sinks/writing/write-behind';
import { aState } from '../a-state';
import { play, timesOf, WRITE_MS } from './slow-store';

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

test('the states of jobs that have rested leave within 20 ms of each other together, that of a single job when it has', () =>
  play(({ store, writer, at }) => {
    for (const [n, from] of [0, 4, 8].entries())
      for (let seq = 1; seq <= 2; seq++) at(from + seq * 10, () => writer.put(aState({ promptId: `job-${n}`, seq })));
    return () => {
      expect(store.writes.filter(({ seq }) => seq === 2).map(({ at, promptId }) => [at, promptId])).toEqual([
        [260, 'job-0'],
        [280, 'job-1'],
        [280, 'job-2'],
      ]);
    };
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
