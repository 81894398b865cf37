import { memo } from '../parts/memo';
import type { PublicJob } from '../../../wire/public-job';
import { detailWords, percent, stepWords, typeWords } from '../../model/words';
import { hashOf } from '../../model/place';
import { Bar } from '../parts/bar';
import { Picture } from './picture';
import { Status } from '../parts/status';
import { TimeWords } from '../parts/time-words';
import { useSilence } from '../parts/silence';

interface Props {
  readonly job: PublicJob;
  readonly index: number;
  readonly size: number;
  readonly top: number;
  /** Whether Tab moves the focus to this row. */
  readonly active: boolean;
}

/** One job of the list. */
export const JobRow = memo(({ job, index, size, top, active }: Props) => {
  const { promptId, type, userId, characterId, progress } = job;
  const name = characterId === undefined ? typeWords(type) : `${typeWords(type)} · ${characterId}`;
  return (
    <li
      class="job"
      data-job={promptId}
      data-standing={job.status}
      aria-setsize={size}
      aria-posinset={index + 1}
      style={{ transform: `translateY(${top}px)` }}
    >
      <Picture job={job} />
      <div class="who">
        <a
          href={hashOf({ tag: 'job', promptId })}
          tabIndex={active ? 0 : -1}
          data-index={index}
          aria-describedby={`is-${promptId}`}
          title={name}
        >
          {name}
        </a>
        <small>
          {userId} <span class="id">{promptId.slice(0, 8)}</span>
        </small>
      </div>
      <p class="is" id={`is-${promptId}`}>
        <Status job={job} />
        <Doing job={job} />
        <span class="steps">{stepWords(job)}</span>
      </p>
      <Bar job={job} label={`${name}, ${userId}`} />
      <span class="percent">{percent(progress)}</span>
      <span class="time">
        <TimeWords job={job} />
      </span>
    </li>
  );
});

/** What the job does now, or why no news of it can come. */
function Doing({ job }: { readonly job: PublicJob }) {
  const silence = useSilence(job);
  const words = silence?.why ?? detailWords(job);
  return (
    <span class="doing" title={words}>
      {words}
    </span>
  );
}
