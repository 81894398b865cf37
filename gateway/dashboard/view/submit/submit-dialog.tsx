import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { goTo } from '../../live/location';
import { notify } from '../../live/notices';
import { keep, kept } from '../../live/tab-storage';
import { holderOf } from '../../live/access/token';
import { readWorkflow } from '../../model/workflow-file/workflow-text';
import { count, typeWords } from '../../model/words';
import { asked, readFiles, type AskedSubmission, type DroppedFile } from './asked-submission';
import { useSession } from '../parts/session-context';
import { SubmissionFields, type Fields } from './submission-fields';
import { submitAll, type Outcome, type Tried } from './submitting';
import type { Submission } from '../../live/api';

type Metadata = Submission['metadata'];

const LAST = 'last-submission';
const firstFields: Fields = { type: 'image_generation', userId: '', characterId: '', server: '', newSeeds: false };

/** The dialog that asks for a workflow and its fields, and submits it. */
export function SubmitDialog() {
  const submission = asked.value;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (submission && dialog.current?.open === false) {
      dialog.current.showModal();
      focusNext(dialog.current);
    }
    if (!submission) dialog.current?.close();
  }, [submission]);
  return (
    <dialog ref={dialog} class="submit" aria-labelledby="submit-title" onClose={() => (asked.value = undefined)}>
      {submission && <Form submission={submission} />}
    </dialog>
  );
}

/** Focuses what is needed next: the file, an empty required field, or the submit button. */
function focusNext(dialog: HTMLDialogElement): void {
  const empty = [...dialog.querySelectorAll<HTMLInputElement>('input:required')].find(({ value }) => value === '');
  const submit = dialog.querySelector<HTMLButtonElement>('button[type=submit]:enabled');
  (submit ? (empty ?? submit) : dialog.querySelector<HTMLInputElement>('input[type=file]'))?.focus();
}

function Form({ submission }: { readonly submission: AskedSubmission }) {
  const { again } = submission;
  const holder = holderOf(useSession().token);
  const ownUser = holder.isService ? undefined : holder.userId;
  const [fields, setFields] = useState<Fields>(() => fieldsFor(submission, ownUser));
  const { files, setFiles, read } = useFiles(submission);
  const { busy, trouble, submit } = useSubmit(read, fields, again?.metadata);
  const ready = read.some(({ reading }) => reading.tag === 'workflow');
  const hasSeeds = read.some(({ reading }) => reading.tag === 'workflow' && reading.seeds > 0);

  const submitted = (event: SubmitEvent): void => {
    event.preventDefault();
    if (ready && !busy) void submit();
  };
  return (
    <form onSubmit={submitted}>
      <h2 id="submit-title">{again ? 'Run it again' : 'Submit a workflow'}</h2>
      {again && !again.workflow && files.length === 0 && (
        <p class="hint">
          The service keeps no workflows, and this one was not submitted from this tab: bring its file.
        </p>
      )}
      <FileChoice hasFile={read.length > 0} choose={setFiles} />
      <ul class="files" aria-label="Files" aria-live="polite">
        {read.map((file, n) => (
          <ReadFile key={n} file={file} />
        ))}
      </ul>
      <SubmissionFields {...{ fields, hasSeeds }} change={setFields} {...(ownUser !== undefined && { ownUser })} />
      <p class="trouble" role="alert">
        {trouble}
      </p>
      <div class="buttons">
        <button type="button" onClick={() => (asked.value = undefined)}>
          Close
        </button>
        <button type="submit" class="primary" disabled={!ready || busy}>
          {busy ? 'Submitting …' : 'Submit'}
        </button>
      </div>
    </form>
  );
}

/** The chosen or dropped files, and what will be submitted: these, or else the workflow to run again. */
function useFiles({ files: dropped, again }: AskedSubmission) {
  const [files, setFiles] = useState<readonly DroppedFile[]>(dropped ?? []);
  // Files may be dropped while the dialog is open.
  useEffect(() => {
    if (dropped) setFiles(dropped);
  }, [dropped]);
  // Memoised: a workflow of megabytes must not be read with every keystroke.
  const read = useMemo(() => filesRead(files, again?.workflow), [files, again?.workflow]);
  return { files, setFiles, read };
}

/** Submits the workflows that were read. On success closes the dialog and, if it was one job, opens its page. */
function useSubmit(read: readonly DroppedFile[], fields: Fields, metadata: Metadata) {
  const { api } = useSession();
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState('');
  const tried = useRef<Tried>(new Map());
  const submit = async (): Promise<void> => {
    setBusy(true);
    setTrouble('');
    const outcome = await submitAll(api, read, fields, metadata, tried.current);
    const { ids, troubles } = outcome;
    setBusy(false);
    keep(LAST, { ...fields, newSeeds: false });
    if (troubles.length > 0) {
      setTrouble(troubles.join(' '));
      return;
    }
    asked.value = undefined;
    const [promptId] = ids;
    if (ids.length === 1 && promptId !== undefined) goTo({ tag: 'job', promptId });
    notify(outcomeWords(outcome, fields.type));
  };
  return { busy, trouble, submit };
}

interface FileChoiceProps {
  readonly hasFile: boolean;
  readonly choose: (files: readonly DroppedFile[]) => void;
}

const FileChoice = ({ hasFile, choose }: FileChoiceProps) => (
  <label class="file">
    <span>
      {hasFile
        ? 'Choose another file'
        : 'Choose a workflow (JSON, or a picture, film or sound that ComfyUI saved), or drop it here'}
    </span>
    <input
      type="file"
      accept=".json,application/json,image/png,image/webp,image/jpeg,audio/*,video/*"
      multiple
      onChange={(event) => void readFiles(event.currentTarget.files ?? []).then(choose)}
    />
  </label>
);

const ReadFile = ({ file: { name, reading } }: { readonly file: DroppedFile }) => (
  <li data-fit={reading.tag === 'workflow'}>
    <strong>{name}</strong> <span>{reading.tag === 'workflow' ? count(reading.nodes, 'node') : reading.why}</span>
  </li>
);

/** The files, or else the workflow to run again. */
function filesRead(files: readonly DroppedFile[], again: string | undefined): readonly DroppedFile[] {
  if (files.length > 0) return files;
  return again === undefined ? [] : [{ name: 'The same workflow', reading: readWorkflow(again) }];
}

/**
 * How many jobs were submitted, and how many refused: a refused one has a page too, but does not count as submitted.
 */
function outcomeWords({ ids, refused }: Outcome, type: string): string {
  const name = `${typeWords(type).toLowerCase()} job`;
  const taken = ids.length - refused;
  return [
    taken > 0 ? `${count(taken, name)} submitted.` : '',
    refused > 0
      ? `ComfyUI refused ${count(refused, name)}; ${refused === 1 ? 'its page says' : 'their pages say'} why.`
      : '',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}

function fieldsFor({ again }: AskedSubmission, ownUser: string | undefined): Fields {
  const last = { ...firstFields, ...(kept(LAST) as Fields | undefined) };
  const user = ownUser === undefined ? {} : { userId: ownUser };
  if (!again) return { ...last, ...user };
  const { type, userId, characterId = '', server = '' } = again;
  // New seeds: ComfyUI would answer the same ones from its cache.
  return { type, userId, characterId, server, newSeeds: true, ...user };
}
