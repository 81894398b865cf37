/** Socket.IO clients, hundreds in one process, that note when a state came and when the frame was written that it shows. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { answering, sinceMs, stamp, type Heard, type ListenerOrder } from '../talk';

interface Job {
  at: number;
  shown: number;
}

let states = 0;
let ages: number[] = [];
let gaps: number[] = [];
const jobs = new Map<string, Job>();
let sockets: WebSocket[] = [];

const numberAfter = (text: string, name: string): number => {
  const start = text.indexOf(name);
  return start === -1 ? Number.NaN : Number.parseFloat(text.slice(start + name.length, start + name.length + 20));
};
const idIn = (text: string): string => {
  const start = text.indexOf('"promptId":"') + 12;
  return text.slice(start, text.indexOf('"', start));
};

function note(text: string): void {
  const value = numberAfter(text, '"value":');
  if (!(value >= 100_000_000)) return;
  const now = stamp();
  const id = idIn(text);
  const job = jobs.get(id);
  states += 1;
  // Where the clock has moved its bar, a state shows the frame of the one before once more: that one's age was told.
  if (value !== job?.shown) ages.push(sinceMs(value, now));
  if (job === undefined) jobs.set(id, { at: now, shown: value });
  else {
    gaps.push(sinceMs(job.at, now));
    Object.assign(job, { at: now, shown: value });
  }
}

/** Resolves once it is in all rooms. */
function open(url: string, promptIds: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const address = `${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`;
    const socket = new WebSocket(address, { perMessageDeflate: false });
    sockets.push(socket);
    let left = promptIds.length;
    const answered = (text: string): void => {
      if (text === '2') socket.send('3');
      else if (text.startsWith('0')) socket.send('40');
      else if (text.startsWith('40'))
        promptIds.forEach((promptId, n) => socket.send(`42${n}${JSON.stringify(['job:join', promptId])}`));
      else if (text.startsWith('43') && text.includes('"ok":true')) left -= 1;
      else reject(new Error(text));
      if (left === 0) resolve();
    };
    socket.on('error', reject);
    socket.on('message', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      // An end is told as an event that wants an acknowledgement.
      if (/^42\d+/.test(text)) socket.send(`43${/^42(\d+)/.exec(text)?.[1] ?? ''}[]`);
      else if (text.startsWith('42["job:state"')) note(text);
      else answered(text);
    });
  });
}

async function carryOut(order: ListenerOrder): Promise<unknown> {
  if (order.tag === 'join') {
    for (const rooms of order.rooms) await open(order.url, rooms);
    return undefined;
  }
  if (order.tag === 'leave') {
    const closed = sockets.map((socket) => once(socket, 'close'));
    for (const socket of sockets) socket.close();
    sockets = [];
    await Promise.all(closed);
    return undefined;
  }
  const [age, gap] = [Float64Array.from(ages).sort(), Float64Array.from(gaps).sort()];
  const at = (sorted: Float64Array, share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
  const heard: Heard = {
    states,
    p50: at(age, 0.5),
    p99: at(age, 0.99),
    worst: at(age, 1),
    gapP99: at(gap, 0.99),
    gapWorst: at(gap, 1),
    newestWorst: Math.max(...[...jobs.values()].map((job) => sinceMs(job.shown, job.at))),
    newestStamp: Math.min(...[...jobs.values()].map(({ shown }) => shown)),
  };
  [states, ages, gaps] = [0, [], []];
  jobs.clear();
  return heard;
}

answering(carryOut);
