import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import type { Faults } from '../faults';
import { pythonJson } from '../http/python-json';
import type { VersionTraits } from '../versions';

const SERVER_FLAGS = {
  supports_preview_metadata: true,
  supports_model_type_tags: true,
  max_upload_size: 104857600,
  extension: { manager: { supports_v4: true } },
  node_replacements: true,
  assets: false,
};

/** What no client can read: not JSON, not an object, no known frame, too short, an unknown kind. */
const GARBAGE = [
  '{"type": "progr',
  '[1, 2]',
  '{"type": "from_some_extension"}',
  Buffer.from([0]),
  Buffer.alloc(8, 0x7f),
];

/** The sockets of one server process, and the table that says whose frames go where. */
export class Sockets {
  /** The client of the job that runs or ran last; none where it was posted without one. */
  clientId: string | undefined;
  /** The node that runs, as that client was told. */
  lastNodeId: string | undefined;

  private readonly table = new Map<string, WebSocket>();
  private readonly flags = new Map<string, Readonly<Record<string, unknown>>>();
  private readonly open = new Set<WebSocket>();
  private readonly backlog: (() => void)[] = [];
  private garbage = 0;

  constructor(
    private readonly traits: VersionTraits,
    private readonly faults: Faults,
    private readonly queueStatus: () => object,
  ) {}

  get size(): number {
    return this.open.size;
  }

  accept(socket: WebSocket, clientId: string | undefined): void {
    const sid = clientId ?? randomUUID().replaceAll('-', '');
    this.open.add(socket);
    this.table.set(sid, socket);
    this.flags.delete(sid);
    this.send('status', { ...this.queueStatus(), sid }, sid);
    if (this.clientId === sid && this.lastNodeId !== undefined) this.send('executing', { node: this.lastNodeId }, sid);
    socket.once('message', (message, isBinary) => {
      if (!isBinary) this.readFlags(sid, message);
    });
    socket.on('ping', (payload) => this.whenFree(() => socket.pong(payload)));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.open.delete(socket);
      if (!this.faults.staleSocketTrap && this.table.get(sid) !== socket) return;
      this.table.delete(sid);
      this.flags.delete(sid);
    });
  }

  /** Sends a frame to that client, or to everyone where there is none. */
  send(type: string, data: object, clientId: string | undefined): void {
    this.sendRaw(pythonJson({ type, data }), clientId);
  }

  sendRaw(frame: string | Buffer, clientId: string | undefined): void {
    const receivers = clientId === undefined ? [...this.table.values()] : [this.table.get(clientId)];
    for (const socket of receivers) {
      if (!socket) continue;
      this.whenFree(() => {
        if (this.faults.deaf || socket.readyState !== WebSocket.OPEN) return;
        if (this.faults.malformedFrames) socket.send(GARBAGE[this.garbage++ % GARBAGE.length] ?? '');
        socket.send(frame);
      });
    }
  }

  sendStatus(): void {
    this.send('status', this.queueStatus(), undefined);
  }

  wantsMetadata(clientId: string | undefined): boolean {
    return clientId !== undefined && this.flags.get(clientId)?.['supports_preview_metadata'] === true;
  }

  /** Closes every socket: by cutting its connection, or with a close frame. */
  drop(how: 'abrupt' | 'clean'): void {
    for (const socket of this.open) {
      if (how === 'abrupt') socket.terminate();
      else socket.close(1001, 'Server shutdown');
    }
  }

  private readFlags(sid: string, message: RawData): void {
    const parsed = parse((message as Buffer).toString());
    if (parsed?.type !== 'feature_flags' || !this.traits.featureFlags) return;
    this.flags.set(sid, parsed.data ?? {});
    this.send('feature_flags', SERVER_FLAGS, sid);
  }

  /** Now, or in its turn as soon as the server is not busy any more. */
  private whenFree(act: () => void): void {
    if (this.backlog.length === 0 && !this.faults.isBusy()) {
      act();
      return;
    }
    this.backlog.push(act);
    if (this.backlog.length > 1) return;
    void this.faults.free().then(() => {
      for (const waiting of this.backlog.splice(0)) waiting();
    });
  }
}

function parse(text: string): { type?: unknown; data?: Readonly<Record<string, unknown>> } | undefined {
  try {
    return JSON.parse(text) as ReturnType<typeof parse>;
  } catch {
    return undefined;
  }
}
