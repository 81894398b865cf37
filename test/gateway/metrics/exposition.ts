/** One line of an exposition: a sample, its labels decoded. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What `/metrics` said. */
export interface Exposition {
  readonly samples: readonly Sample[];
  /** The type of each metric. */
  readonly types: ReadonlyMap<string, string>;
  /** The sum over all samples of that name with these labels; 0 where there are none. */
  readonly sum: (name: string, labels?: Readonly<Record<string, string>>) => number;
}

/** Reads the text format of Prometheus. Throws where a line is none of it. */
export function expositionOf(text: string): Exposition {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('# HELP'))) {
    const [, typed, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (typed !== undefined && type !== undefined) {
      types.set(typed, type);
      continue;
    }
    const [, name, labels = '', value] = /^([a-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
    if (name === undefined) throw new Error(`no line of an exposition: ${line}`);
    samples.push({ name, labels: labelsIn(labels), value: Number(value) });
  }
  const sum: Exposition['sum'] = (name, labels = {}) =>
    samples
      .filter((sample) => sample.name === name)
      .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
      .reduce((total, { value }) => total + value, 0);
  return { samples, types, sum };
}

const labelsIn = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', value = '']) => [
      key,
      value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    ]),
  );

/** The metric that a sample is of: a histogram's parts are its. */
export const familyOf = (name: string, types: ReadonlyMap<string, string>): string => {
  const whole = name.replace(/_(bucket|sum|count)$/, '');
  return types.get(whole) === 'histogram' ? whole : name;
};
