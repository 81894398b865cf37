/** The ComfyUI releases the stand-in can be. */
export type ComfyUIVersion = '0.3.30' | '0.3.64' | '0.6.0' | '0.8.2' | '0.20.1' | '0.26.0' | '0.33.0';

/** What one release does differently from another. */
export interface VersionTraits {
  readonly version: ComfyUIVersion;
  /** Whether `POST /prompt` takes the caller's `prompt_id`, or makes its own. */
  readonly keepsPromptId: boolean;
  readonly wantsUuid: boolean;
  readonly createTime: boolean;
  readonly jobsApi: boolean;
  /** Whether `/api/jobs` tells interrupted jobs from failed ones, and takes `cancelled` for a status. */
  readonly cancelledStatus: boolean;
  /** Whether `POST /interrupt` looks at `prompt_id`. */
  readonly interruptsById: boolean;
  readonly featureFlags: boolean;
  readonly progressState: boolean;
  /** Least time between two progress frames of one node. */
  readonly progressEveryMs: number;
  readonly asyncNodes: boolean;
  /** Whether a lazy input whose source is cached still makes its node start over. */
  readonly lazyStartsOver: boolean;
  readonly missingNodeType: boolean;
  /** What an error message gets appended; `undefined` where it is left alone. */
  readonly oomTips: string | undefined;
  readonly executeTrace: readonly string[];
  readonly validateTrace: readonly string[];
  /** Python sets have no order, but one process keeps to one: this stands for the recorded process's. */
  readonly setOrder: (ids: readonly string[]) => string[];
}

const hashOrder = (multiplier: number) => {
  const slot = (id: string) => (Number(id) * multiplier) % 8 || 0;
  return (ids: readonly string[]) => [...ids].sort((a, b) => slot(a) - slot(b));
};

const line = (file: string, number: number, name: string) => `  File "/comfyui/${file}", line ${number}, in ${name}\n`;

const newest: VersionTraits = {
  version: '0.33.0',
  keepsPromptId: true,
  wantsUuid: true,
  createTime: true,
  jobsApi: true,
  cancelledStatus: true,
  interruptsById: true,
  featureFlags: true,
  progressState: true,
  progressEveryMs: 100,
  asyncNodes: true,
  lazyStartsOver: true,
  missingNodeType: true,
  oomTips:
    'This error means you ran out of memory on your GPU.\n\n' +
    'TIPS: If the workflow worked before you might have accidentally set the batch_size to a large number.',
  executeTrace: [
    line('execution.py', 545, 'execute'),
    line('execution.py', 344, 'get_output_data'),
    line('execution.py', 318, '_async_map_node_over_list'),
    line('execution.py', 306, 'process_inputs'),
  ],
  validateTrace: [line('execution.py', 1184, 'validate_prompt'), line('execution.py', 933, 'validate_inputs')],
  setOrder: hashOrder(5),
};

const later = (version: ComfyUIVersion): VersionTraits => ({ ...newest, version, wantsUuid: false });
const withoutCancelled = (version: ComfyUIVersion): VersionTraits => ({ ...later(version), cancelledStatus: false });

const middle: VersionTraits = {
  ...newest,
  version: '0.3.64',
  wantsUuid: false,
  createTime: false,
  jobsApi: false,
  progressEveryMs: 0,
  lazyStartsOver: false,
  missingNodeType: false,
  setOrder: hashOrder(1),
};

const oldest: VersionTraits = {
  ...middle,
  version: '0.3.30',
  keepsPromptId: false,
  interruptsById: false,
  featureFlags: false,
  progressState: false,
  asyncNodes: false,
  oomTips: undefined,
  executeTrace: [
    line('execution.py', 347, 'execute'),
    line('execution.py', 222, 'get_output_data'),
    line('execution.py', 194, '_map_node_over_list'),
    line('execution.py', 183, 'process_inputs'),
  ],
  validateTrace: [line('execution.py', 833, 'validate_prompt'), line('execution.py', 612, 'validate_inputs')],
};

/** How that release behaves; 0.3.30 and 0.33.0 were recorded, the others are known by what differs. */
export function traitsOf(version: ComfyUIVersion): VersionTraits {
  return {
    '0.3.30': oldest,
    '0.3.64': middle,
    '0.6.0': withoutCancelled('0.6.0'),
    '0.8.2': withoutCancelled('0.8.2'),
    '0.20.1': later('0.20.1'),
    '0.26.0': later('0.26.0'),
    '0.33.0': newest,
  }[version];
}
