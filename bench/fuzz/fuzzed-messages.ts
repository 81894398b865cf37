import type { Chance } from '../../test/system/seeded';

const events = ['job:join', 'job:leave', 'jobs:watch', 'jobs:unwatch'];
const strangeEvents = [
  '',
  'connect',
  'disconnect',
  'disconnecting',
  'error',
  'newListener',
  'removeListener',
  'connect_error',
  'job:state',
  '__proto__',
  'constructor',
  'toString',
  'x'.repeat(5000),
  '\u0000',
  '🎨',
];
const strangeFrames = [
  '',
  '0',
  '1',
  '2',
  '2probe',
  '3',
  '3probe',
  '5',
  '6',
  '7',
  '9',
  'b',
  'bAAAA',
  '4',
  '40',
  '40{}',
  '40{"token":7}',
  '40/admin,',
  '40/admin,{"token":"x"}',
  '41',
  '42',
  '42[',
  '42[]',
  '42{}',
  '42[null]',
  '42[7]',
  '42["job:join"',
  '42999999999999999999["job:join","x"]',
  '42-1["job:join","x"]',
  '42/admin,["job:join","x"]',
  '43',
  '430[]',
  '43999[]',
  '430[{"a":1}]',
  '44',
  '44{}',
  '451-["job:join",{"_placeholder":true,"num":0}]',
  '45999999-["job:join",{"_placeholder":true,"num":0}]',
  '451-["job:join",{"_placeholder":true,"num":7}]',
  '451-["job:join",{"_placeholder":true,"num":"__proto__"}]',
  '461-0[{"_placeholder":true,"num":0}]',
  '46',
  '47',
  '48',
  `42${'['.repeat(7000)}`,
  `42["job:join",${'['.repeat(5000)}${']'.repeat(5000)}]`,
  `42["job:join","${'x'.repeat(20_000)}"]`,
];

/** A message of any kind: an Engine.IO packet, an event with arguments, bytes, or something broken. */
export function messageOf(chance: Chance, promptIds: readonly string[]): string | Buffer {
  const how = chance.number();
  if (how < 0.12) return chance.pick(strangeFrames);
  if (how < 0.17) return bytesOf(chance, chance.whole(0, 200));
  if (how < 0.22) return bytesOf(chance, chance.whole(0, 60)).toString('latin1');
  const event = chance.number() < 0.85 ? chance.pick(events) : chance.pick(strangeEvents);
  const ids = chance.number() < 0.5 ? String(chance.whole(0, 50)) : '';
  const args = Array.from({ length: chance.whole(0, 3) }, () =>
    chance.number() < 0.5 ? chance.pick(promptIds) : valueOf(chance, 3),
  );
  const text = `42${ids}${JSON.stringify([event, ...args])}`;
  if (how > 0.95) return text.slice(0, chance.whole(0, text.length));
  if (how > 0.92) return text.replace(/["[\]{},:]/, () => chance.pick(['', '"', '[', '}', '\u0000', '\ud800']));
  return text;
}

const bytesOf = (chance: Chance, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => chance.whole(0, 255)));

function valueOf(chance: Chance, depth: number): unknown {
  const plain = [
    null,
    true,
    false,
    0,
    -1,
    1e308,
    '',
    'x',
    '../x',
    '__proto__',
    'x'.repeat(300),
    '\u0000',
    '🎨',
    '\ud800',
  ];
  const how = chance.number();
  if (depth === 0 || how < 0.6) return chance.pick(plain);
  const inner = Array.from({ length: chance.whole(0, 4) }, () => valueOf(chance, depth - 1));
  if (how < 0.8) return inner;
  const names = ['promptId', '__proto__', 'constructor', 'toString', 'length', '_placeholder', 'num', 'then'];
  return Object.fromEntries(inner.map((value) => [chance.pick(names), value]));
}
