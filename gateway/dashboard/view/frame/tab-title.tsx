import { useEffect } from 'preact/hooks';
import { here } from '../../live/location';
import { percent, typeWords } from '../../model/words';
import { useSession } from '../parts/session-context';

/** Sets the tab's title: the number of running jobs and, on a job's page, its progress. Draws nothing. */
export function TabTitle() {
  const { cache } = useSession();
  const place = here.value;
  // Each batch of changes may change the title.
  const version = cache.version.value;
  useEffect(() => {
    let running = 0;
    for (const { status } of cache.jobs.values()) if (status === 'processing') running += 1;
    const job = place.tag === 'job' ? cache.jobs.get(place.promptId) : undefined;
    const name = job
      ? `${job.status === 'processing' ? `${percent(job.progress)} ` : ''}${typeWords(job.type)} · `
      : '';
    document.title = `${running > 0 ? `(${running}) ` : ''}${name}ComfyUI jobs`;
  }, [version, place, cache]);
  return null;
}
