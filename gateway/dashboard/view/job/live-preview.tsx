import { useEffect } from 'preact/hooks';
import type { PublicJob } from '../../../wire/public-job';
import { useSession } from '../parts/session-context';

/** The running node's preview. Its space is kept free before the first picture, so that the page does not jump. */
export function LivePreview({ job }: { readonly job: PublicJob }) {
  const { pictures } = useSession();
  const { promptId } = job;
  useEffect(() => pictures.follow(promptId), [promptId, pictures]);
  const url = pictures.of(promptId).value;
  return (
    <section class="preview" aria-labelledby="preview-title">
      <h2 id="preview-title">Preview</h2>
      <div class="stage">
        {url === undefined ? (
          <p class="soft">Nodes that make previews show them here.</p>
        ) : (
          <img src={url} alt={`Preview of ${job.node?.title ?? job.node?.type ?? 'the running node'}`} />
        )}
      </div>
    </section>
  );
}
