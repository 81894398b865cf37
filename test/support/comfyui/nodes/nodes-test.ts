import { Blocker, PythonError } from './node-class';
import type { InputSpec, NodeClass, NodeContext } from './node-class';
import { image, number } from './nodes-image';
import { previewImage } from '../sockets/previews';
import { Float } from '../http/python-json';

const IMAGE: InputSpec = ['IMAGE'];
const SEED: InputSpec = ['INT', { default: 0, min: 0, max: 0xffff_ffff_ffff_ffffn }];
const SECONDS: InputSpec = ['FLOAT', { default: 1, min: 0, max: 9999, step: 0.01 }];

/** Counts to `steps` with a progress frame each, and a preview every so many. */
export async function steps(context: NodeContext, count: number, secondsPerStep: number, previewEvery: number) {
  for (let step = 1; step <= count; step += 1) {
    await context.sleep(secondsPerStep);
    await context.mayTake(step);
    context.progress(step, count, previewEvery > 0 && step % previewEvery === 0 ? previewImage(step) : undefined);
  }
}

/** The nodes of ComfyUI's test pack, and the two that the recordings were made with. */
export const testNodes: Readonly<Record<string, NodeClass>> = {
  StepsWithProgress: {
    required: {
      image: IMAGE,
      steps: ['INT', { default: 10, min: 1, max: 10000 }],
      seconds_per_step: SECONDS,
      preview_every: ['INT', { default: 0, min: 0, max: 10000 }],
      seed: SEED,
    },
    returns: ['IMAGE'],
    run: async (inputs, context) => {
      await steps(
        context,
        number(inputs['steps']),
        number(inputs['seconds_per_step']),
        number(inputs['preview_every']),
      );
      return { result: [inputs['image']] };
    },
  },
  OutOfMemory: {
    required: { image: IMAGE },
    optional: { seed: SEED },
    returns: ['IMAGE'],
    run: () => {
      const message = 'CUDA out of memory. Tried to allocate 20.00 MiB';
      const at = '  File "/comfyui/custom_nodes/steps_node.py", line 28, in go\n';
      throw new PythonError('torch.OutOfMemoryError', message, at);
    },
  },
  TestSyncError: {
    required: { value: ['*'] },
    optional: { seed: SEED },
    returns: ['*'],
    run: () => {
      const at = '  File "/comfyui/custom_nodes/testing-pack/async_test_nodes.py", line 135, in sync_error\n';
      throw new PythonError('RuntimeError', 'Intentional sync execution error for testing', at);
    },
  },
  TestExecutionBlocker: {
    required: { input: ['*'], block: ['BOOLEAN'] },
    optional: { verbose: ['BOOLEAN'] },
    returns: ['*'],
    run: ({ input, block, verbose }) => ({
      result: [block === true ? new Blocker(verbose === true ? 'Blocked Execution' : undefined) : input],
    }),
  },
  TestSleep: {
    required: { value: ['*'], seconds: SECONDS },
    optional: { seed: SEED },
    returns: ['*'],
    isAsync: true,
    run: async (inputs, context) => {
      const seconds = number(inputs['seconds']);
      for (let now = 0; now < seconds;) {
        now = Math.min(context.elapsed(), seconds);
        context.progress(new Float(now), new Float(seconds));
        await context.sleep(0.01);
      }
      return { result: [inputs['value']] };
    },
  },
  TestLazyMixImages: {
    required: { image1: ['IMAGE', { lazy: true }], image2: ['IMAGE', { lazy: true }], mask: ['MASK'] },
    returns: ['IMAGE'],
    checkLazy: ({ mask }) => (mask === 0 ? ['image1'] : mask === 1 ? ['image2'] : ['image1', 'image2']),
    run: (inputs) => ({ result: [image(inputs[inputs['mask'] === 1 ? 'image2' : 'image1'])] }),
  },
};
