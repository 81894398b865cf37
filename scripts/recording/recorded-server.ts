import { defer, of, throwError, type Observable } from 'rxjs';
import { NoAnswer } from '../../sources/rest/no-answer';
import { read, type Answer } from '../../sources/rest/rest';
import type { Recorded } from './recording.codec';

/** A request of a recording, with its answer. */
export type Http = Extract<Recorded, { http: unknown }>;

export const isHttp = (line: Recorded): line is Http => 'http' in line;
export const isPost = ({ http: { method, path } }: Http): boolean => method === 'POST' && path === '/prompt';

/** The server's own id, else the one that was asked for. */
export function promptIdOf({ http: { response, body } }: Http): string {
  const [answered, asked] = [response, body] as { readonly prompt_id?: string }[];
  return answered?.prompt_id ?? asked?.prompt_id ?? 'unnamed';
}

/** Which client's socket a line is of, if that is the client's newest: a session drops what an older one says (R6). */
export function openSockets(): { clientOf(line: Exclude<Recorded, Http>): string | undefined } {
  const clients = new Map<string, string>();
  const newest = new Map<string, string>();
  return {
    clientOf: (line) => {
      if ('clientId' in line) {
        clients.set(line.ws, line.clientId);
        newest.set(line.clientId, line.ws);
      }
      const clientId = clients.get(line.ws);
      return clientId !== undefined && newest.get(clientId) === line.ws ? clientId : undefined;
    },
  };
}

/** The newest answer to each path so far. A list of jobs that was never asked for is a route that the server lacks. */
export function recordedAnswers(): {
  put: (line: Http) => void;
  get: (path: string) => Observable<Answer>;
  disown: () => void;
} {
  const byPath = new Map<string, Http['http']>();
  return {
    put: ({ http }) => byPath.set(http.path, http),
    get: (path) =>
      defer(() => {
        const { status, response } = byPath.get(path) ?? {};
        if (status !== undefined)
          return of(read(status, '', typeof response === 'string' ? response : JSON.stringify(response)));
        // A recording's posts tell the ids that count.
        if (path.startsWith('/history?')) return of({ status: 200, json: {} });
        if (path.startsWith('/api/jobs')) return of({ status: 404, json: undefined });
        // What it answers is ComfyUI's.
        if (path === '/prompt') return of({ status: 200, json: { exec_info: { queue_remaining: 0 } } });
        return throwError(() => new NoAnswer(`${path} was not recorded`, true));
      }),
    disown: () => undefined,
  };
}
