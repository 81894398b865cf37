import { isImage } from '../nodes/image-value';
import { PythonError } from '../nodes/node-class';
import type { Inputs } from '../nodes/node-class';
import type { VersionTraits } from '../versions';

/** A node's exception as `execution_error` tells it: with file paths and the user's inputs. */
export function executionError(error: unknown, inputs: Inputs, traits: VersionTraits) {
  const raised = error instanceof PythonError ? error : new PythonError('RuntimeError', String(error), '');
  const isOutOfMemory = raised.exceptionType === 'torch.OutOfMemoryError';
  const message =
    traits.oomTips === undefined ? raised.message : `${raised.message}\n${isOutOfMemory ? traits.oomTips : ''}`;
  return {
    exception_message: message,
    exception_type: raised.exceptionType,
    traceback: [...traits.executeTrace, raised.at],
    current_inputs: Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, [formatted(value)]])),
  };
}

function formatted(value: unknown): unknown {
  if (isImage(value)) return blackTensor;
  if (typeof value === 'object' && value !== null) return '<comfy.object>';
  return value;
}

const row = '[0., 0., 0.]';
const plane = `[${[row, row, row, '...', row, row, row].join(',\n          ')}]`;
/** How PyTorch prints a black image. */
const blackTensor = `tensor([[${[plane, plane, plane, '...', plane, plane, plane].join(',\n\n         ')}]])`;
