import { dismiss, notices } from '../../live/notices';
import { hashOf } from '../../model/place';

/** What happened, for eyes in a corner and for ears politely. The region is always there, or it would not be read. */
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
