import { useEffect } from 'preact/hooks';
import { isSettled } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import { firstImage } from '../../model/files';
import { useSession } from '../parts/session-context';

/** How long a row must be in sight before its picture is asked for, so that scrolling past asks for none. */
const DWELL_MS = 300;

/** The newest picture of a job, for its row. It has no alternative text: the row says all that the picture shows. */
export function Picture({ job }: { readonly job: PublicJob }) {
  const { pictures } = useSession();
  const { promptId, status } = job;
  useEffect(() => {
    let leave: (() => void) | undefined;
    const hasImage = firstImage(job.outputs) >= 0;
    const dwell = setTimeout(() => {
      if (status === 'processing') leave = pictures.follow(promptId);
      else if (isSettled(job) && hasImage) pictures.fetchSmall(job);
    }, DWELL_MS);
    return () => {
      clearTimeout(dwell);
      leave?.();
    };
  }, [promptId, status, pictures]);
  const url = pictures.of(promptId).value;
  return (
    <span class="picture" aria-hidden="true" data-type={job.type}>
      {url !== undefined && <img src={url} alt="" decoding="async" />}
    </span>
  );
}
