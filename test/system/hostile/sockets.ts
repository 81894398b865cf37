import { WebSocket } from 'ws';
import { again, type Attacker } from './attacks';

const opened = ({ instances }: Attacker, n: number): WebSocket => {
  const url = `${instances[n % instances.length]!.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`;
  return new WebSocket(url).on('error', () => undefined);
};

const flood = (socket: WebSocket, text: string, count: number): void => {
  for (let n = 0; n < count && socket.readyState === WebSocket.OPEN && socket.bufferedAmount < 8 << 20; n++)
    socket.send(text);
};

/** Packets of who has shown no token, as fast as they go. */
export const unknownFloods = (attacker: Attacker): Promise<void> => {
  const packets = ['0{"token":"x"}', '0/admin,{"token":"x"}', '3', '2["job:join","x"]', '0{"token":', '51-["x"]', '6'];
  return again(attacker, 150, (n) => {
    const what = 'floods of who shows no token';
    const socket = opened(attacker, n);
    socket.on('open', () => flood(socket, packets[n % packets.length]!, 20_000));
    socket.on('close', (code) => attacker.note(what, code));
    setTimeout(() => socket.terminate(), 3_000);
  });
};

/** Messages of a user, as fast as they go; and one that reads nothing. */
export const floods = (attacker: Attacker): Promise<void> => {
  const { token, victim, note } = attacker;
  const packets = [
    `20["job:join","${victim}"]`,
    '20["jobs:watch"]',
    '2["jobs:watch"]',
    `2["job:join","${'x'.repeat(10_000)}"]`,
    '2["job:join",{"__proto__":{"length":1}}]',
    '3',
    '30[1]',
    '20["toString"]',
    '451-["job:join",{"_placeholder":true,"num":0}]',
  ];
  return again(attacker, 250, (n) => {
    const what = 'floods of a user';
    const socket = opened(attacker, n);
    socket.on('message', (message: Buffer) => {
      const text = message.toString();
      if (text.startsWith('0')) socket.send(`40${JSON.stringify({ token })}`);
      else if (text.startsWith('40')) flood(socket, `4${packets[n % packets.length]!}`, 20_000);
      else if (text.includes('"ok":true,"job"')) note(what, 'joined another’s job');
      if (n % 4 === 0) socket.pause();
    });
    socket.on('close', (code) => note(what, code));
    setTimeout(() => socket.terminate(), 8_000);
  });
};
