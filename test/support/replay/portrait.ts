import type { RecordedEvent } from './recording';
import { shape, textShape } from './shape';

/** What a recording shows of the protocol, free of ids, times and how often progress came. */
export interface Portrait {
  readonly sockets: Readonly<Record<string, SocketPortrait>>;
  /** Every shape of each type of frame. */
  readonly frames: Readonly<Record<string, readonly string[]>>;
  readonly http: readonly string[];
}
interface SocketPortrait {
  /** A job's frames in order; a run of progress is which kinds followed which. */
  readonly order: readonly string[];
  /** How many others came, in between. */
  readonly between: Readonly<Record<string, number>>;
  readonly closed: number | undefined;
}

/** Draws the portrait of a recording. */
export function portrait(events: readonly RecordedEvent[]): Portrait {
  const names = [...new Set(events.flatMap((event) => ('ws' in event ? event.ws : [])))];
  const shapes = new Map<string, Set<string>>();
  for (const event of events) {
    const frame = frameOf(event);
    if (frame) shapes.set(frame.type, (shapes.get(frame.type) ?? new Set()).add(textShape(frame.json)));
  }
  return {
    sockets: Object.fromEntries(names.map((name) => [name, socketPortrait(name, events)])),
    frames: Object.fromEntries([...shapes].sort().map(([type, found]) => [type, [...found].sort()])),
    http: events.flatMap((event) => ('http' in event ? exchange(event.http) : [])),
  };
}

/** What comes when the queue or the client does something, wherever the job is then. */
const between = ['status', 'feature_flags'];

function socketPortrait(name: string, events: readonly RecordedEvent[]): SocketPortrait {
  const own = events.filter((event) => 'ws' in event && event.ws === name);
  const frames = own.flatMap((event) => frameOf(event) ?? []);
  const close = own.find((event) => 'event' in event && event.event === 'close');
  return {
    order: inOrder(frames.filter(({ type }) => !between.includes(type))),
    between: Object.fromEntries(between.map((type) => [type, frames.filter((frame) => frame.type === type).length])),
    closed: close && 'code' in close ? close.code : undefined,
  };
}

function inOrder(frames: readonly Frame[]): string[] {
  const order: string[] = [];
  let run: string[] = [];
  const endRun = () => {
    const steps = run.slice(1).map((kind, at) => `${run[at] ?? ''} > ${kind}`);
    if (run.length > 0) order.push([...new Set([run[0] ?? '', ...steps])].sort().join(', '));
    run = [];
  };
  for (const frame of frames) {
    if (/^(progress|binary)/.test(frame.type)) run.push(frame.type);
    else {
      endRun();
      order.push(`${frame.type} ${frame.node}`);
    }
  }
  endRun();
  return order;
}

interface Frame {
  readonly type: string;
  readonly node: string;
  readonly json: string;
}

function frameOf(event: RecordedEvent): Frame | undefined {
  if ('text' in event) {
    const { type, data } = JSON.parse(event.text) as { type: string; data: Record<string, unknown> };
    const { node, nodes, display_node } = data;
    const place = [node, display_node, Array.isArray(nodes) ? nodes : undefined].filter((part) => part !== undefined);
    return { type, node: JSON.stringify(place), json: event.text };
  }
  if (!('binary' in event)) return undefined;
  const bytes = Buffer.from(event.binary, 'base64');
  const kind = bytes.readUInt32BE(0);
  const metadata =
    kind === 4 ? bytes.subarray(8, 8 + bytes.readUInt32BE(4)).toString() : `{"format": ${bytes.readUInt32BE(4)}}`;
  return { type: `binary ${kind}`, node: '', json: metadata };
}

function exchange({
  method,
  path,
  status,
  response,
  error,
}: Extract<RecordedEvent, { http: unknown }>['http']): string {
  const route = path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, '{id}');
  return `${method} ${route} ${error ?? `${status ?? ''} ${typeof response === 'string' ? JSON.stringify(response) : shape(response)}`}`;
}
