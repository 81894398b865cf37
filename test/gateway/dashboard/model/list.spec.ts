import { rowAfter, virtualWindow } from '../../../../gateway/dashboard/model/virtual-window';
import {
  anyJob,
  fitsFields,
  idIn,
  isChosen,
  inOrder,
  standingOf,
  type Wanted,
} from '../../../../gateway/dashboard/model/wanted';
import type { PublicJob } from '../../../../gateway/wire/public-job';
import { job } from './a-job';

describe('the list', () => {
  test('is in the order of a queue: runs, waits, ended; and a job that starts stays where it is', () => {
    const jobs = [
      job({ promptId: 'old end', status: 'completed', finishedAt: 10 }),
      job({ promptId: 'waits second', startedAt: 30 }),
      job({ promptId: 'runs', status: 'processing', startedAt: 5 }),
      job({ promptId: 'new end', status: 'failed', finishedAt: 20 }),
      job({ promptId: 'waits first', startedAt: 20 }),
    ];
    const order = ['runs', 'waits first', 'waits second', 'new end', 'old end'];
    const ids = (all: readonly PublicJob[]) => [...all].sort(inOrder).map(({ promptId }) => promptId);
    expect(ids(jobs)).toEqual(order);
    expect(
      ids(jobs.map((each) => (each.promptId === 'waits first' ? { ...each, status: 'processing' } : each))),
    ).toEqual(order);
  });

  test('fits by standings, type, user, character, time, and text anywhere', () => {
    const one = job({
      promptId: '4f3c',
      characterId: 'Zelda',
      userId: 'Ada',
      node: { id: '5', type: 'KSampler', value: 0, max: 1 },
      runId: 'b7',
      metadata: { album: 'Hyrule', pages: 12 },
    });
    const yes = [
      { standings: ['waiting'] },
      { standings: ['failed', 'waiting'] },
      { type: 'image_generation' },
      { user: 'Ada' },
      { character: ' Zelda ' },
      { within: '15m' },
      { text: 'zeld' },
      { text: '4F3' },
      { text: ' ksampler ' },
      { text: 'hyrule' },
      { text: 'B7' },
    ] as const;
    const no = [
      { standings: ['running', 'failed'] },
      { type: 'image' },
      { user: 'Ad' },
      { character: 'zelda' },
      { text: 'nowhere' },
      { text: '12' },
    ] as const;
    const fits = (part: Partial<Wanted>, now = 900_000) =>
      isChosen(one, { ...anyJob, ...part }) && fitsFields(one, { ...anyJob, ...part }, now);
    for (const part of yes) expect([part, fits(part)]).toEqual([part, true]);
    for (const part of no) expect([part, fits(part)]).toEqual([part, false]);
    expect(fits({ within: '15m' }, 902_000)).toBe(false);
  });

  test('what was cancelled is no failure', () => {
    const ended = (kind: 'cancelled' | 'node_error') =>
      standingOf(job({ status: 'failed', failure: { kind, message: '', retryable: true } }));
    expect([ended('cancelled'), ended('node_error')]).toEqual(['cancelled', 'failed']);
  });

  test('a whole id is told from other texts', () => {
    expect(idIn(' 00000000-0000-4000-8000-00000000000A ')).toBe('00000000-0000-4000-8000-00000000000A');
    expect(['', '4f3c', 'a knight in red armour, riding', '#/jobs/x'].map(idIn)).toEqual(Array(4).fill(undefined));
  });
});

describe('the virtual window', () => {
  const lie = { count: 2000, rowHeight: 50, height: 500 };
  test('has the rows in sight and a few beyond, within the list', () => {
    expect(virtualWindow({ ...lie, top: 0 })).toEqual({ first: 0, end: 14 });
    expect(virtualWindow({ ...lie, top: 5000 })).toEqual({ first: 96, end: 114 });
    expect(virtualWindow({ ...lie, top: 99_500 })).toEqual({ first: 1986, end: 2000 });
    expect(virtualWindow({ ...lie, top: -300 })).toEqual({ first: 0, end: 8 });
    expect(virtualWindow({ ...lie, count: 0, top: 0 })).toEqual({ first: 0, end: 0 });
    expect(virtualWindow({ ...lie, count: 3, top: 9000 })).toEqual({ first: 3, end: 3 });
  });
  test('keys lead to rows, and never out of the list', () => {
    const keys = ['ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', 'Home', 'End', 'x'];
    expect(keys.map((key) => rowAfter(key, 5, lie))).toEqual([6, 4, 14, 0, 0, 1999, undefined]);
    expect(rowAfter('ArrowDown', 1999, lie)).toBe(1999);
    expect(rowAfter('End', 0, { ...lie, count: 0 })).toBeUndefined();
  });
});
