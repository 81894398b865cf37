import type { ProblemKind } from './problem';
import type { PublicJob } from './public-job';

/** What a request over a socket comes back as. `code` is the kind of the problem that HTTP would answer with. */
export type Reply =
  | { readonly ok: true; readonly job: PublicJob }
  | { readonly ok: false; readonly error: { readonly code: ProblemKind | 'left'; readonly message: string } };

export type Ack = (reply: Reply) => void;

/** Sent by clients, so anything may come: `job:join` (promptId, ack), `job:leave` (promptId). */
export interface ClientEvents {
  readonly 'job:join': (...args: unknown[]) => void;
  readonly 'job:leave': (...args: unknown[]) => void;
}

/** A preview's place; its image follows as bytes. */
export interface PreviewHead {
  readonly promptId: string;
  readonly nodeId: string;
  readonly mimeType: string;
}

export interface ServerEvents {
  readonly 'job:state': (job: PublicJob) => void;
  readonly 'job:preview': (head: PreviewHead, image: Uint8Array) => void;
}
