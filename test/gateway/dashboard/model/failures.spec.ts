import { complaintsByNode, explanationOf } from '../../../../gateway/dashboard/model/explanation';
import { detailWords } from '../../../../gateway/dashboard/model/words';
import { job } from './a-job';

describe('failures', () => {
  test('each kind has a reason and a remedy; one that is newer than the page too', () => {
    const kinds = [
      'rejected',
      'node_error',
      'out_of_memory',
      'interrupted',
      'cancelled',
      'lost',
      'unreachable',
      'missing_output',
      'timed_out',
      'internal_error',
      'of tomorrow',
    ];
    const told = kinds.map((kind) => explanationOf({ failure: { kind: kind as never, message: '', retryable: true } }));
    for (const { why, remedy } of told) expect([why, remedy].join(' ').length).toBeGreaterThan(30);
    expect(new Set(told.map(({ title }) => title)).size).toBe(kinds.length);
    expect(told.at(-1)?.why).toContain('of tomorrow');
  });

  test('a refusal that names no node may be a proxy’s', () => {
    const failure = { kind: 'rejected', message: 'HTTP 413', retryable: false } as const;
    const { why, remedy } = explanationOf({ failure });
    expect([why, remedy].join(' ')).toMatch(/proxy.*access or size/s);
    expect(explanationOf({ failure, nodeErrors: [{ nodeId: '5', message: 'no' }] }).title).toBe('Refused by ComfyUI');
  });

  test('of a job that was cancelled while it waited no node is said to have run', () => {
    const cancelled = job({ status: 'failed', failure: { kind: 'cancelled', message: '', retryable: true } });
    expect(detailWords(cancelled)).toBe('while waiting');
    expect(explanationOf(cancelled, true).why).toContain('no node ran');
    expect(detailWords({ ...cancelled, executionStartedAt: 2000, finishedAt: 5000, progress: 3 })).toBe(
      'ran 3.0 s · waited 1.0 s',
    );
  });

  test('complaints are put together by node', () => {
    const nodeErrors = [
      { nodeId: '1', nodeType: 'EmptyImage', input: 'height', message: 'no number' },
      { nodeId: '5', message: 'no such input' },
      { nodeId: '1', input: 'width', message: 'too small' },
    ];
    const failure = { kind: 'rejected', message: 'all of it', nodeId: '1', retryable: false } as const;
    expect(complaintsByNode({ failure, nodeErrors })).toEqual([
      {
        nodeId: '1',
        nodeType: 'EmptyImage',
        complaints: [
          { input: 'height', message: 'no number' },
          { input: 'width', message: 'too small' },
        ],
      },
      { nodeId: '5', complaints: [{ message: 'no such input' }] },
    ]);
  });
});
