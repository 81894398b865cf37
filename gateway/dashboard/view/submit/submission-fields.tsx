import { useId } from 'preact/hooks';
import { knownTypes, typeWords } from '../../model/words';
import { useSession } from '../parts/session-context';

/** The fields beside the workflow. Empty ones are not sent. */
export interface Fields {
  readonly type: string;
  readonly userId: string;
  readonly characterId: string;
  readonly server: string;
  readonly newSeeds: boolean;
}

interface Props {
  readonly fields: Fields;
  readonly change: (fields: Fields) => void;
  readonly hasSeeds: boolean;
  /** The user whom the token names, who cannot submit for others; absent for a service. */
  readonly ownUser?: string;
}

export function SubmissionFields({ fields, change, hasSeeds, ownUser }: Props) {
  const { lastHealth } = useSession();
  const urls = lastHealth.value?.servers.flatMap(({ url }) => (url === undefined ? [] : [url])) ?? [];
  const set =
    (name: keyof Fields) =>
    (value: string): void =>
      change({ ...fields, [name]: value });
  return (
    <div class="grid">
      <TypeField value={fields.type} set={set('type')} />
      <TextField label="User" required readOnly={ownUser !== undefined} value={fields.userId} set={set('userId')} />
      <TextField label="Character" placeholder="optional" value={fields.characterId} set={set('characterId')} />
      {urls.length > 1 && <ServerChoice urls={urls} value={fields.server} set={set('server')} />}
      {hasSeeds && (
        <label class="check">
          <input
            type="checkbox"
            checked={fields.newSeeds}
            onChange={({ currentTarget }) => change({ ...fields, newSeeds: currentTarget.checked })}
          />
          <span>New random seeds; with the same ones ComfyUI answers from its cache</span>
        </label>
      )}
    </div>
  );
}

interface FieldProps {
  readonly value: string;
  readonly set: (value: string) => void;
}

function TypeField({ value, set }: FieldProps) {
  const id = useId();
  return (
    <>
      <label for={id}>Type</label>
      <input
        id={id}
        required
        maxLength={100}
        list={`${id}-types`}
        value={value}
        onInput={({ currentTarget }) => set(currentTarget.value)}
      />
      <datalist id={`${id}-types`}>
        {knownTypes.map((type) => (
          <option key={type} value={type}>
            {typeWords(type)}
          </option>
        ))}
      </datalist>
    </>
  );
}

interface TextFieldProps extends FieldProps {
  readonly label: string;
  readonly required?: boolean;
  readonly readOnly?: boolean;
  readonly placeholder?: string;
}

function TextField({ label, set, ...input }: TextFieldProps) {
  const id = useId();
  return (
    <>
      <label for={id}>{label}</label>
      <input id={id} maxLength={200} {...input} onInput={({ currentTarget }) => set(currentTarget.value)} />
    </>
  );
}

interface ServerChoiceProps extends FieldProps {
  readonly urls: readonly string[];
}

function ServerChoice({ urls, value, set }: ServerChoiceProps) {
  const id = useId();
  return (
    <>
      <label for={id}>Server</label>
      <select id={id} value={value} onChange={({ currentTarget }) => set(currentTarget.value)}>
        <option value="">Any that takes the type</option>
        {urls.map((url) => (
          <option key={url} value={url}>
            {url}
          </option>
        ))}
      </select>
    </>
  );
}
