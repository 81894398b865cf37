import type { DynamicPrompt } from '../execution/dynamic-prompt';
import { isLink } from '../execution/graph';
import type { ExpandedNode } from '../execution/graph';
import type { InputSpec, NodeClass } from './node-class';
import { number } from './nodes-image';

const ANY: InputSpec = ['*'];
const RAW: InputSpec = ['*', { rawLink: true }];
const FLOW: InputSpec = ['FLOW_CONTROL', { rawLink: true }];

/** The test pack's loop nodes, which run by turning into more nodes. */
export const loopNodes: Readonly<Record<string, NodeClass>> = {
  TestForLoopOpen: {
    required: { remaining: ['INT', { default: 1, min: 0, max: 100000, step: 1 }] },
    optional: { initial_value0: ANY, initial_value1: ANY },
    returns: ['FLOW_CONTROL', 'INT', '*'],
    run: ({ remaining, initial_value0, initial_value1 }) => ({
      result: ['stub', initial_value0 ?? remaining, initial_value1],
    }),
  },
  TestForLoopClose: {
    required: { flow_control: FLOW },
    optional: { initial_value1: RAW },
    returns: ['*'],
    unique: true,
    run: ({ flow_control, initial_value1 }, { nodeId }) => {
      const id = (name: string) => `${nodeId}.0.0.${name}`;
      const open = isLink(flow_control) ? flow_control[0] : '';
      return {
        result: [[id('3'), 1]],
        expand: {
          [id('1')]: { class_type: 'TestIntMathOperation', inputs: { operation: 'subtract', a: [open, 1], b: 1 } },
          [id('2')]: { class_type: 'TestToBoolNode', inputs: { value: [id('1'), 0] } },
          [id('3')]: {
            class_type: 'TestWhileLoopClose',
            inputs: { flow_control, condition: [id('2'), 0], initial_value0: [id('1'), 0], initial_value1 },
          },
        },
      };
    },
  },
  TestWhileLoopClose: {
    required: { flow_control: FLOW, condition: ['BOOLEAN'] },
    optional: { initial_value0: ANY, initial_value1: ANY },
    returns: ['*', '*'],
    unique: true,
    run: ({ flow_control, condition, initial_value0, initial_value1 }, { nodeId, prompt }) => {
      if (condition !== true) return { result: [initial_value0, initial_value1] };
      const open = isLink(flow_control) ? flow_control[0] : '';
      const recurse = `${nodeId}.0.0.Recurse`;
      return {
        result: [
          [recurse, 0],
          [recurse, 1],
        ],
        expand: copyOfLoop(prompt, open, nodeId, { initial_value0, initial_value1 }),
      };
    },
  },
  TestIntMathOperation: {
    required: { a: ['INT'], b: ['INT'], operation: ['STRING'] },
    returns: ['INT'],
    run: ({ a, b }) => ({ result: [number(a) - number(b)] }),
  },
  TestToBoolNode: {
    required: { value: ['*'] },
    returns: ['BOOLEAN'],
    run: ({ value }) => ({ result: [number(value) !== 0] }),
  },
};

/** The nodes from a loop's opening to its closing once more, starting from other values. */
function copyOfLoop(prompt: DynamicPrompt, open: string, close: string, start: Record<string, unknown>) {
  const ids = between(prompt, open, close);
  const copyId = (id: string) => `${close}.0.0.${id === close ? 'Recurse' : id}`;
  const copies: Record<string, ExpandedNode> = {};
  for (const id of ids) {
    const { class_type, inputs } = prompt.node(id);
    const copied = Object.entries(inputs).map(([name, value]): [string, unknown] =>
      isLink(value) && ids.has(value[0]) ? [name, [copyId(value[0]), value[1]]] : [name, value],
    );
    const given = id === open ? start : {};
    copies[copyId(id)] = { class_type, inputs: { ...Object.fromEntries(copied), ...given }, displayId: id };
  }
  return copies;
}

function between(prompt: DynamicPrompt, open: string, close: string): Set<string> {
  const users = new Map<string, string[]>();
  const explore = (id: string) => {
    for (const value of Object.values(prompt.node(id).inputs)) {
      if (!isLink(value)) continue;
      const known = users.get(value[0]);
      users.set(value[0], [...(known ?? []), id]);
      if (!known) explore(value[0]);
    }
  };
  explore(close);
  const contained = new Set<string>();
  const collect = (id: string) => {
    for (const user of users.get(id) ?? []) {
      if (contained.has(user)) continue;
      contained.add(user);
      collect(user);
    }
  };
  collect(open);
  return contained.add(close).add(open);
}
