import { useId } from 'preact/hooks';
import { goTo, turnTo } from '../../live/location';
import { idIn, standings, type Standing, type Wanted } from '../../model/wanted';
import { knownTypes, standingWords, typeWords } from '../../model/words';

/** A number of jobs; `more` if the gateway may have others that are not here yet. */
export interface Count {
  readonly n: number;
  readonly more: boolean;
}

interface Props {
  readonly wanted: Wanted;
  readonly counts: Readonly<Record<Standing | 'all', Count>>;
  readonly types: readonly string[];
  readonly users: readonly string[];
  readonly characters: readonly string[];
  /** Whether to offer a filter by user: a user sees only their own jobs. */
  readonly hasUsers: boolean;
}

const PERIODS: readonly (readonly [string, string])[] = [
  ['', 'Any time'],
  ['15m', 'Last 15 minutes'],
  ['1h', 'Last hour'],
  ['24h', 'Last 24 hours'],
];

/** The filters: standing, type, user, character, period and text. They are kept in the address. */
export function Filters({ wanted, counts, types, users, characters, hasUsers }: Props) {
  const turn: Turn = (part) => turnTo({ tag: 'list', wanted: { ...wanted, ...part } });
  const jump = (event: SubmitEvent): void => {
    event.preventDefault();
    const promptId = idIn(wanted.text);
    if (promptId !== undefined) goTo({ tag: 'job', promptId });
  };
  return (
    <form class="filters" role="search" aria-label="Filter jobs" onSubmit={jump}>
      <Segments chosen={wanted.standings} counts={counts} turn={turn} />
      <div class="fields">
        <TypeChoice chosen={wanted.type} known={types} turn={turn} />
        {hasUsers && <Named name="User" value={wanted.user} known={users} turn={(user) => turn({ user })} />}
        <Named name="Character" value={wanted.character} known={characters} turn={(character) => turn({ character })} />
        <PeriodChoice chosen={wanted.within} turn={turn} />
        <input
          type="search"
          aria-label="Text"
          placeholder="Find id, node, metadata …"
          maxLength={500}
          value={wanted.text}
          onInput={(event) => turn({ text: event.currentTarget.value })}
        />
        {/* Enter opens the job whose id the text is. A form with several fields takes Enter only if it has a button. */}
        <button type="submit" class="unseen" tabIndex={-1} aria-hidden="true">
          Open
        </button>
      </div>
    </form>
  );
}

/** Changes some of the filters. */
type Turn = (part: Partial<Wanted>) => void;

interface SegmentsProps {
  readonly chosen: readonly Standing[];
  readonly counts: Props['counts'];
  readonly turn: Turn;
}

/** The filter by standing: all, or some. */
function Segments({ chosen, counts, turn }: SegmentsProps) {
  const toggle = (standing: Standing): void =>
    turn({ standings: chosen.includes(standing) ? chosen.filter((one) => one !== standing) : [...chosen, standing] });
  return (
    <fieldset class="segments">
      <legend class="unseen">Status</legend>
      <Segment name="All" count={counts.all} checked={chosen.length === 0} choose={() => turn({ standings: [] })} />
      {standings.map((standing) => (
        <Segment
          key={standing}
          name={standingWords(standing)}
          count={counts[standing]}
          checked={chosen.includes(standing)}
          choose={() => toggle(standing)}
        />
      ))}
    </fieldset>
  );
}

interface TypeChoiceProps {
  readonly chosen: string;
  /** The types of the jobs that are here. */
  readonly known: readonly string[];
  readonly turn: Turn;
}

function TypeChoice({ chosen, known, turn }: TypeChoiceProps) {
  const offered = [...new Set([...knownTypes, ...known, ...(chosen === '' ? [] : [chosen])])];
  return (
    <select aria-label="Type" value={chosen} onChange={(event) => turn({ type: event.currentTarget.value })}>
      <option value="">All types</option>
      {offered.map((type) => (
        <option key={type} value={type}>
          {typeWords(type)}
        </option>
      ))}
    </select>
  );
}

const PeriodChoice = ({ chosen, turn }: { readonly chosen: string; readonly turn: Turn }) => (
  <select aria-label="Submitted" value={chosen} onChange={(event) => turn({ within: event.currentTarget.value })}>
    {PERIODS.map(([within, words]) => (
      <option key={within} value={within}>
        {words}
      </option>
    ))}
  </select>
);

interface SegmentProps {
  readonly name: string;
  readonly count: Count;
  readonly checked: boolean;
  readonly choose: () => void;
}

const Segment = ({ name, count: { n, more }, checked, choose }: SegmentProps) => (
  <label>
    <input
      type="checkbox"
      checked={checked}
      onChange={(event) => {
        // The next drawing sets the box. "All" must stay checked when it is pressed while nothing else is chosen.
        event.currentTarget.checked = checked;
        choose();
      }}
    />
    <span>
      {name}{' '}
      <small>
        {n.toLocaleString('en')}
        {more && <span title="and perhaps more that are not listed yet">+</span>}
      </small>
    </span>
  </label>
);

interface NamedProps {
  readonly name: string;
  readonly value: string;
  readonly known: readonly string[];
  readonly turn: (value: string) => void;
}

/** A field for a whole name, which offers the known ones. */
function Named({ name, value, known, turn }: NamedProps) {
  const id = useId();
  return (
    <>
      <input
        type="search"
        aria-label={name}
        placeholder={`Any ${name.toLowerCase()}`}
        list={id}
        maxLength={500}
        value={value}
        onInput={(event) => turn(event.currentTarget.value)}
      />
      <datalist id={id}>
        {known.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
    </>
  );
}
