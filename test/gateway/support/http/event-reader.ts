import { request, type IncomingMessage } from 'node:http';
import type { PublicJob } from '../../../../gateway/wire/public-job';

/** One reader of a job's events, as a program without EventSource is. */
export interface EventReader {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** All that arrived, as text. */
  text(): string;
  readonly ids: readonly string[];
  readonly jobs: readonly PublicJob[];
  /** Resolves with whether the stream ended, rather than broke. */
  readonly end: Promise<boolean>;
  pause(): void;
  resume(): void;
  abort(): void;
}

export function readEvents(
  { url }: { readonly url: string },
  promptId: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventReader> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/jobs/${promptId}/events`, { headers, agent: false });
    asked.once('error', reject).end();
    asked.once('response', (response) => {
      let text = '';
      const ids: string[] = [];
      const jobs: PublicJob[] = [];
      let rest = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const frames = (rest + chunk).split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) {
          const [, id, data] = /^id: (.*)\ndata: (.*)$/.exec(frame) ?? [];
          if (id === undefined || data === undefined) continue;
          ids.push(id);
          jobs.push(JSON.parse(data) as PublicJob);
        }
      });
      response.on('error', () => undefined);
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text: () => text,
        ids,
        jobs,
        end: new Promise((over) => response.once('close', () => over(response.complete))),
        pause: () => void response.socket.pause(),
        resume: () => void response.socket.resume(),
        abort: () => void asked.destroy(),
      });
    });
  });
}
