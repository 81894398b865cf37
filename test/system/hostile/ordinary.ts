import { setTimeout as sleep } from 'node:timers/promises';
import { steps, twoOutputs } from '../../support/comfyui/workflows';

/** What became of an ordinary user's job. */
export interface Ordinary {
  /** As its last event says; `refused` where it was not taken. */
  readonly status: string;
  readonly runId: string;
  /** Whether its first output came whole, within seconds. */
  readonly isRead: boolean;
  readonly tookMs: number;
}

const PATIENCE_MS = 120_000;

interface Ended {
  readonly promptId: string;
  readonly status: string;
  readonly runId?: string;
}

/** Jobs of a user who means no harm, one after the other; each is followed to its end and its first output read. */
export function ordinaryJobs(
  urls: readonly string[],
  token: string,
  { everyMs, count }: { readonly everyMs: number; readonly count: number },
): { readonly first: Promise<string | undefined>; readonly ended: Promise<readonly Ordinary[]> } {
  const authorization = `Bearer ${token}`;
  const at = (n: number): string => urls[n % urls.length]!;
  const submit = (n: number) => submitted(at(n), authorization, n % 3 === 0 ? twoOutputs() : steps({ steps: 20 }));
  // Followed, and its output read, through other instances than the one that took it.
  const follow = (n: number, promptId: string | undefined) => followed([at(n + 1), at(n + 2)], authorization, promptId);
  const first = submit(0);
  const ended = (async () => {
    const following = [follow(0, await first)];
    for (let n = 1; n < count; n++) {
      await sleep(everyMs);
      following.push(follow(n, await submit(n)));
    }
    return Promise.all(following);
  })();
  return { first, ended };
}

async function submitted(url: string, authorization: string, workflow: object): Promise<string | undefined> {
  const type = 'character_sheet';
  const answer = await fetch(`${url}/jobs`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ type, userId: 'ada', workflow }),
  }).catch((error: unknown) => {
    console.log('an ordinary job:', error);
  });
  if (answer?.status !== 202) {
    console.log('an ordinary job:', answer?.status, await answer?.text());
    return undefined;
  }
  return ((await answer.json()) as { promptId: string }).promptId;
}

/** A job's events to its end, or as far as they come. */
async function told(url: string, authorization: string): Promise<string> {
  let text = '';
  try {
    const events = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(PATIENCE_MS) });
    for await (const chunk of (events.body ?? []) as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString();
  } catch {
    // As far as they came.
  }
  return text;
}

async function followed(
  [eventsAt, outputAt]: readonly [string, string],
  authorization: string,
  promptId: string | undefined,
): Promise<Ordinary> {
  const began = Date.now();
  if (promptId === undefined) return { status: 'refused', runId: '', isRead: false, tookMs: 0 };
  const text = await told(`${eventsAt}/jobs/${promptId}/events`, authorization);
  const last = text.split('\n').findLast((line) => line.startsWith('data: '));
  const { status, runId = promptId } = JSON.parse(last?.slice('data: '.length) ?? '{"status":"never told"}') as Ended;
  const tookMs = Date.now() - began;
  const isRead = await fetch(`${outputAt}/jobs/${promptId}/outputs/0`, {
    headers: { authorization },
    signal: AbortSignal.timeout(15_000),
  })
    .then(async (answer) => answer.status === 200 && (await answer.arrayBuffer()).byteLength > 50)
    .catch(() => false);
  return { status, runId, isRead, tookMs };
}
