import type { NodeClass } from './node-class';
import { imageNodes } from './nodes-image';
import { loopNodes } from './nodes-loop';
import { modelNodes } from './nodes-model';
import { testNodes } from './nodes-test';

const classes: Readonly<Record<string, NodeClass>> = { ...imageNodes, ...modelNodes, ...testNodes, ...loopNodes };

/** The node class of that name, if the simulated server has it installed. */
export function nodeClass(name: string): NodeClass | undefined {
  return Object.hasOwn(classes, name) ? classes[name] : undefined;
}

/** `GET /object_info`: what each node takes and gives. */
export function objectInfo(): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(classes).map(([name, node]) => [
      name,
      {
        input: { required: node.required, optional: node.optional ?? {} },
        output: node.returns,
        name,
        display_name: name,
        output_node: node.isOutput ?? false,
      },
    ]),
  );
}
