const TYPES = {
  image_generation: 'Image',
  lora_training: 'LoRA training',
  face_swap: 'Face swap',
  character_sheet: 'Character sheet',
};
const FAILURES = {
  rejected: 'Refused by ComfyUI',
  node_error: 'A node failed',
  out_of_memory: 'Out of memory',
  interrupted: 'Interrupted',
  cancelled: 'Cancelled',
  lost: 'Lost',
  unreachable: 'Server out of reach',
  missing_output: 'Output missing',
  timed_out: 'Timed out',
};
const STATUSES = { queued: 'Waiting', processing: 'Running', completed: 'Completed', failed: 'Failed' };
const PHASES = { waiting: 'Waiting', loading: 'Loading', running: 'Running', finishing: 'Finishing' };

/** What kind of job it is: `face_swap` → `Face swap`. */
export const typeWords = (type) =>
  TYPES[type] ?? type.replaceAll('_', ' ').replace(/^./, (first) => first.toUpperCase());

export const statusWords = (job) => (job.failure?.kind === 'cancelled' ? 'Cancelled' : STATUSES[job.status]);

export const failureWords = ({ kind }) => FAILURES[kind] ?? kind;

/** What a live job is doing. */
export function phaseWords({ phase, queuePosition, node }) {
  if (phase === 'waiting') return queueWords(queuePosition);
  if (phase !== 'running' || !node) return PHASES[phase] ?? '';
  return node.title || node.type;
}

/** Which step of its node a job is at. */
export const stepWords = ({ phase, node }) =>
  phase === 'running' && node && node.max > 1 ? `${Math.min(Math.floor(node.value), node.max)} / ${node.max}` : '';

const queueWords = (position) => {
  if (position === undefined) return 'Waiting';
  return position === 0 ? 'Next in line' : `${position} ${position === 1 ? 'job' : 'jobs'} ahead`;
};

/** A length of time, in the one or two units that matter: `1 h 5 min`. */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 && seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** When, seen from now: `3 min ago`. */
export const ago = (time, now) => (now - time < 5000 ? 'just now' : `${duration(roughly(now - time))} ago`);

const roughly = (ms) => (ms < 60_000 ? ms : Math.floor(ms / 60_000) * 60_000);
