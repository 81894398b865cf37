/** A number that Python holds as a float, and so writes with a point: `1.0`. */
export class Float {
  constructor(readonly value: number) {}
}

/** JSON text as Python's `json.dumps` writes it: a space after `:` and `,`, floats with a point, ASCII only. A `Map` is an object whose keys keep their order. */
export function pythonJson(value: unknown): string {
  if (value instanceof Float) return pythonFloat(value.value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : pythonFloat(value);
  if (typeof value === 'string') return pythonString(value);
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries: [string, unknown][] =
      value instanceof Map ? [...(value as Map<string, unknown>)] : Object.entries(value);
    const fields = entries.filter(([, field]) => field !== undefined);
    return `{${fields.map(([name, field]) => `${pythonString(name)}: ${pythonJson(field)}`).join(', ')}}`;
  }
  return JSON.stringify(value ?? null);
}

function pythonString(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
