import { useId } from 'preact/hooks';
import { turnTo } from '../../live/location';
import { standings, type Standing, type Wanted } from '../../model/wanted';
import { knownTypes, typeWords } from '../../model/words';

const NAMES: Readonly<Record<Standing, string>> = {
  all: 'All',
  running: 'Running',
  waiting: 'Waiting',
  completed: 'Completed',
  failed: 'Failed',
};

interface Props {
  readonly wanted: Wanted;
  readonly counts: Readonly<Record<Standing, number>>;
  readonly types: readonly string[];
  readonly users: readonly string[];
}

/** Which jobs are wanted, by how they are, type, user and text. Kept in the address. */
export function Filters({ wanted, counts, types, users }: Props) {
  const id = useId();
  const turn = (part: Partial<Wanted>): void => turnTo({ tag: 'list', wanted: { ...wanted, ...part } });
  const valueOf = (event: Event): string => (event.currentTarget as HTMLInputElement | HTMLSelectElement).value;
  const offered = [...new Set([...knownTypes, ...types, ...(wanted.type === '' ? [] : [wanted.type])])];
  return (
    <form class="filters" role="search" aria-label="Filter jobs" onSubmit={(event) => event.preventDefault()}>
      <fieldset class="segments">
        <legend class="unseen">Status</legend>
        {standings.map((standing) => (
          <label key={standing}>
            <input
              type="radio"
              name="standing"
              value={standing}
              checked={wanted.standing === standing}
              onChange={() => turn({ standing })}
            />
            <span>
              {NAMES[standing]} <small>{counts[standing].toLocaleString('en')}</small>
            </span>
          </label>
        ))}
      </fieldset>
      <div class="fields">
        <select aria-label="Type" value={wanted.type} onChange={(event) => turn({ type: valueOf(event) })}>
          <option value="">All types</option>
          {offered.map((type) => (
            <option key={type} value={type}>
              {typeWords(type)}
            </option>
          ))}
        </select>
        <input
          type="search"
          aria-label="User"
          placeholder="Any user"
          list={`${id}-users`}
          value={wanted.user}
          onInput={(event) => turn({ user: valueOf(event) })}
        />
        <datalist id={`${id}-users`}>
          {users.map((user) => (
            <option key={user} value={user} />
          ))}
        </datalist>
        <input
          type="search"
          aria-label="Text"
          placeholder="Find id, node, character …"
          value={wanted.text}
          onInput={(event) => turn({ text: valueOf(event) })}
        />
      </div>
    </form>
  );
}
