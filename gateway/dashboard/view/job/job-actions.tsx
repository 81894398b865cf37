import { useRef, useState } from 'preact/hooks';
import { isSettled } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import { notify } from '../../live/notices';
import { submissionOf } from '../../live/jobs/own-submissions';
import { askForWorkflow } from '../submit/asked-submission';
import { useSession } from '../parts/session-context';
import { messageOf } from '../../../../streams/workflow/shown-text';

/** The buttons of a job: cancel a live one, after a second press; run an ended one again. */
export function JobActions({ job }: { readonly job: PublicJob }) {
  const { api, cache } = useSession();
  const [step, setStep] = useState<'idle' | 'sure' | 'asked'>('idle');
  const first = useRef<HTMLButtonElement>(null);
  const { promptId } = job;

  const cancel = (): void => {
    setStep('asked');
    api.cancel(promptId).then(
      (after) => cache.take(after, true),
      (error: unknown) => {
        setStep('idle');
        notify(`Not cancelled: ${messageOf(error)}`);
      },
    );
  };
  const keepRunning = (): void => {
    setStep('idle');
    first.current?.focus();
  };

  if (isSettled(job)) {
    return (
      <div class="buttons">
        <button
          type="button"
          onClick={() => askForWorkflow({ again: { ...asSubmitted(job), ...submissionOf(promptId) } })}
        >
          Run again …
        </button>
      </div>
    );
  }
  if (step === 'asked') {
    return (
      <div class="buttons">
        <button type="button" disabled>
          Cancelling …
        </button>
      </div>
    );
  }
  return (
    <div class="buttons" onKeyDown={(event) => event.key === 'Escape' && step === 'sure' && keepRunning()}>
      <button
        type="button"
        ref={first}
        class={step === 'sure' ? 'danger' : undefined}
        onClick={() => (step === 'sure' ? cancel() : setStep('sure'))}
      >
        {step === 'sure' ? 'Really cancel?' : 'Cancel'}
      </button>
      {step === 'sure' && (
        <button type="button" onClick={keepRunning}>
          Keep it running
        </button>
      )}
    </div>
  );
}

const asSubmitted = ({ type, userId, characterId, metadata }: PublicJob) => ({
  type,
  userId,
  ...(characterId !== undefined && { characterId }),
  ...(metadata && { metadata }),
});
