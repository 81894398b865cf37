import { JobWorkflows } from '../../sinks/writing/job-workflows';
import type { StoredWorkflow } from '../../sinks/codecs/stored-workflow.codec';
import { bounds } from '../../streams/bounds';
import { aState } from './a-state';

const whole = (workflow = '{}'): StoredWorkflow => ({ tag: 'whole', prompt: { workflow } });
const job = (promptId: string) => aState({ promptId, status: 'processing' });

/** What goes along once more, of jobs whose workflow was stored. */
function storedOnce(...all: readonly (readonly [promptId: string, workflow: StoredWorkflow])[]) {
  const workflows = new JobWorkflows();
  for (const [promptId, workflow] of all) {
    workflows.wait(promptId, workflow);
    workflows.written(job(promptId), workflow, 'stored');
  }
  const rescued = (promptId: string): StoredWorkflow | undefined => {
    workflows.rescue(promptId);
    return workflows.next(promptId);
  };
  return { workflows, rescued };
}

test('a workflow that may be posted again is stored once more where the store may have lost it, and does not count as waiting', () => {
  const { workflows, rescued } = storedOnce(['a', whole()]);
  expect(workflows.next('a')).toBeUndefined();
  expect(rescued('a')).toEqual(whole());
  expect(workflows.waiting('a')).toBeUndefined();
  workflows.written(job('a'), whole(), 'stored');
  expect(workflows.next('a')).toBeUndefined();
});

test('an outline is not, nor what is of a job that has ended, or is another’s', () => {
  const outline: StoredWorkflow = { tag: 'outline', prompt: { workflow: '{}' } };
  const { workflows, rescued } = storedOnce(['a', whole()], ['a', outline], ['b', whole()], ['c', whole()]);
  workflows.written(aState({ promptId: 'b', status: 'completed' }), undefined, 'stored');
  workflows.written(job('c'), undefined, 'stale');
  expect(['a', 'b', 'c'].map(rescued)).toEqual([undefined, undefined, undefined]);
});

test('what waits goes before what is stored once more', () => {
  const { workflows, rescued } = storedOnce(['a', whole('{"of": "before"}')]);
  workflows.wait('a', whole());
  expect(rescued('a')).toEqual(whole());
});

test('the newest are kept', () => {
  const long = whole('x'.repeat(bounds.keptWorkflowsLength / 2));
  const { rescued } = storedOnce(['a', long], ['b', long], ['c', long]);
  expect(['a', 'b', 'c'].map((promptId) => rescued(promptId) !== undefined)).toEqual([false, true, true]);
});
