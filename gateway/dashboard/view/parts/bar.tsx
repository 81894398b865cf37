import type { PublicJob } from '../../../wire/public-job';
import { lookOf } from './status';
import { percent, statusWords } from '../../model/words';

/** A job's progress bar. It moves by `transform`, which needs no layout. */
export function Bar({ job, label }: { readonly job: PublicJob; readonly label: string }) {
  const { progress } = job;
  return (
    <div
      class="bar"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={progress}
      aria-valuetext={`${percent(progress)}, ${statusWords(job).toLowerCase()}`}
      data-is={lookOf(job)}
    >
      <div style={{ transform: `scaleX(${progress / 100})` }} />
    </div>
  );
}
