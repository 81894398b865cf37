import { dismiss, notices } from '../../live/notices';
import { hashOf } from '../../model/place';

/**
 * The notices, in a corner. The live region is always in the page: screen readers do not read one that is added later.
 */
export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map(({ id, text, promptId }) => (
        <p class="notice" key={id}>
          <span>{text}</span>
          {promptId !== undefined && <a href={hashOf({ tag: 'job', promptId })}>Show it</a>}
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => dismiss(id)}>
            ×
          </button>
        </p>
      ))}
    </div>
  );
}
