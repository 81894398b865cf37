import { useId } from 'preact/hooks';
import { knownTypes, typeWords } from '../../model/words';
import { useSession } from '../parts/session-context';

/** What is asked beside the workflow. Empty texts are left out. */
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
  /** Whom the token names; a user submits for nobody else. */
  readonly ownUser?: string;
}

export function SubmissionFields({ fields, change, hasSeeds, ownUser }: Props) {
  const { lastHealth } = useSession();
  const id = useId();
  const urls = lastHealth.value?.servers.flatMap(({ url }) => (url === undefined ? [] : [url])) ?? [];
  const set =
    (name: keyof Fields) =>
    ({ currentTarget }: { readonly currentTarget: HTMLInputElement | HTMLSelectElement }): void =>
      change({ ...fields, [name]: currentTarget.value });
  return (
    <div class="grid">
      <label for={`${id}-type`}>Type</label>
      <input
        id={`${id}-type`}
        required
        maxLength={100}
        list={`${id}-types`}
        value={fields.type}
        onInput={set('type')}
      />
      <datalist id={`${id}-types`}>
        {knownTypes.map((type) => (
          <option key={type} value={type}>
            {typeWords(type)}
          </option>
        ))}
      </datalist>
      <label for={`${id}-user`}>User</label>
      <input
        id={`${id}-user`}
        required
        maxLength={200}
        readOnly={ownUser !== undefined}
        value={fields.userId}
        onInput={set('userId')}
      />
      <label for={`${id}-character`}>Character</label>
      <input
        id={`${id}-character`}
        maxLength={200}
        placeholder="optional"
        value={fields.characterId}
        onInput={set('characterId')}
      />
      {urls.length > 1 && (
        <>
          <label for={`${id}-server`}>Server</label>
          <select id={`${id}-server`} value={fields.server} onChange={set('server')}>
            <option value="">Any that takes the type</option>
            {urls.map((url) => (
              <option key={url} value={url}>
                {url}
              </option>
            ))}
          </select>
        </>
      )}
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
