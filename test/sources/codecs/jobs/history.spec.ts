import { historyOf, markedIn } from '../../../../sources/codecs/history.codec';

describe('/history', () => {
  const success = { outputs: { '4': { images: [{ filename: 'a.png', subfolder: '', type: 'output' }] } } };

  test('that does not hold the job tells nothing of it', () => {
    expect(historyOf({}, 'p')).toEqual({ tag: 'absent' });
    expect(historyOf({ other: success }, 'p')).toEqual({ tag: 'absent' });
  });

  test('[R5] that answers with another job’s entry is no answer: its outputs are another’s', () => {
    const entry = { ...success, prompt: [1, 'other', {}, {}, []] };
    expect(historyOf({ p: entry }, 'p')).toBeUndefined();
    expect(historyOf({ other: entry }, 'other')).toMatchObject({ tag: 'ended' });
  });

  test.each(['constructor', '__proto__', 'toString'])('does not hold a job that is called %s', (id) => {
    expect(historyOf({}, id)).toEqual({ tag: 'absent' });
  });

  test('without a status is of a server from before there was one: a success', () => {
    expect(historyOf({ p: success }, 'p')).toMatchObject({ tag: 'ended', outcome: [{ nodeId: '4' }] });
    expect(historyOf({ p: { ...success, status: null } }, 'p')).toMatchObject({ outcome: [{ nodeId: '4' }] });
  });

  test('tells a cancel from a failure by its messages, whatever its status says', () => {
    const status = (...messages: unknown[]) => ({
      p: { outputs: {}, status: { status_str: 'error', completed: false, messages } },
    });
    const interrupted = ['execution_interrupted', { prompt_id: 'p', node_id: '2', node_type: 'Slow', executed: [] }];
    const error = ['execution_error', { prompt_id: 'p', node_id: '2', exception_message: 'No.' }];
    const start = ['execution_start', { prompt_id: 'p', timestamp: 1 }];
    expect(historyOf(status(start, interrupted), 'p')).toMatchObject({ outcome: { kind: 'interrupted', nodeId: '2' } });
    expect(historyOf(status(start, error), 'p')).toMatchObject({ outcome: { kind: 'node_error', message: 'No.' } });
    expect(historyOf(status(start, 'odd', null, ['execution_error']), 'p')).toMatchObject({
      outcome: { kind: 'node_error' },
    });
  });

  test('[R13] an error that does not say why shows no more than that', () => {
    expect(historyOf({ p: { outputs: {}, status: { status_str: 'error' } } }, 'p')).toMatchObject({
      outcome: { message: 'The server reports a failure without saying why.' },
    });
  });

  test.each<[object, object]>([
    [{ status_str: 'error' }, { kind: 'node_error' }],
    [{ status_str: 'failed' }, { kind: 'node_error' }],
    [{ status_str: 'halted', completed: false }, { kind: 'node_error' }],
    [{ completed: false, messages: null }, { kind: 'node_error' }],
    [{ status_str: 'cancelled' }, { kind: 'interrupted' }],
    [{ status_str: 'interrupted', completed: false, messages: [] }, { kind: 'interrupted' }],
  ])('whose status is %j tells of a failure, with outputs or without', (status, failure) => {
    for (const outputs of [{}, null, undefined])
      expect(historyOf({ p: { outputs, status } }, 'p')).toMatchObject({ tag: 'ended', outcome: failure });
  });

  test.each<[object]>([
    [{ status_str: 'success', completed: true, messages: null }],
    [{ status_str: 'success', completed: false, messages: [] }],
    [{ status_str: 'done', completed: true }],
    [{ status_str: 'finished' }],
    [{ completed: true }],
    [{}],
  ])('whose status is %j tells of a success', (status) => {
    expect(historyOf({ p: { ...success, status } }, 'p')).toMatchObject({ outcome: [{ nodeId: '4' }] });
  });

  test('whose status contradicts itself is told by its messages', () => {
    const messages = [['execution_error', { prompt_id: 'p', node_id: '2', exception_message: 'No.' }]];
    const of = (completed: boolean) => ({ p: { ...success, status: { status_str: 'success', completed, messages } } });
    expect(historyOf(of(false), 'p')).toMatchObject({ outcome: { kind: 'node_error', message: 'No.' } });
    expect(historyOf(of(true), 'p')).toMatchObject({ outcome: [{ nodeId: '4' }] });
  });

  test('tells why a node failed, however little is said of it', () => {
    const of = (said: unknown) => ({
      p: { outputs: {}, status: { status_str: 'error', messages: [['execution_error', said]] } },
    });
    expect(historyOf(of({ node_id: 2, node_type: 'Odd', exception_message: 'No.' }), 'p')).toMatchObject({
      outcome: { kind: 'node_error', message: 'No.', nodeId: '2', nodeType: 'Odd' },
    });
    expect(historyOf(of({ node_id: {}, exception_message: ['No.'], exception_type: 'ValueError' }), 'p')).toEqual({
      tag: 'ended',
      outcome: { kind: 'node_error', message: 'ValueError', retryable: false },
    });
  });

  test.each([
    null,
    undefined,
    [],
    'history',
    { p: null },
    { p: {} },
    { p: { outputs: [] } },
    { p: { outputs: null } },
    { p: { outputs: null, status: null } },
    { p: { outputs: null, status: { status_str: 'success', completed: true } } },
    { p: { ...success, status: 'ok' } },
  ])('[R4] that cannot be read is no answer: %j', (json) => {
    expect(historyOf(json, 'p')).toBeUndefined();
  });

  test('tells which jobs were posted with our mark, and how far back it goes', () => {
    const begun = (timestamp: number) => ({ status: { messages: [['execution_start', { timestamp }]] } });
    const posted = (mark: unknown, at: number) => ({ ...success, ...begun(at), prompt: [1, 'x', {}, { mark }, []] });
    const history = {
      a: posted('1', 7),
      odd: null,
      b: { ...success, prompt: 'odd' },
      c: posted('2', 5),
      d: posted(3, 9),
    };
    const ids = new Map([['1', 'a'], ['2', 'c']]); // prettier-ignore
    expect(markedIn(history, 'mark', 5)).toEqual({ ids, isAll: false, oldestAt: 5 });
    expect(markedIn(history, 'mark', 6)).toMatchObject({ isAll: true });
    expect(markedIn({}, 'mark', 6)).toEqual({ ids: new Map(), isAll: true, oldestAt: Infinity });
    expect(markedIn(null, 'mark', 6)).toBeUndefined();
  });
});
