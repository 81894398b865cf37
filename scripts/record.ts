import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  EMPTY,
  Observable,
  catchError,
  concat,
  concatMap,
  defer,
  delay,
  from,
  map,
  merge,
  of,
  take,
  takeUntil,
  timer,
  filter,
  share,
  type MonoTypeOperatorFunction,
} from 'rxjs';
import { request } from 'undici';
import { WebSocket, type RawData } from 'ws';
import { VALUE, commandLine, wrong } from './command-line';
import type { Recorded } from './recording/recording.codec';

export interface RecordOptions {
  /** ComfyUI's, without an end slash. */
  readonly url: string;
  /** In API format, as text. */
  readonly workflow: string;
  readonly clientId?: string;
  readonly promptId?: string;
  /** How long the run may take. */
  readonly patienceMs?: number;
}

/** What a run is over with. */
const ENDS = ['execution_success', 'execution_error', 'execution_interrupted'];
/** History is written after the end is told. */
const WRITTEN_MS = 1_000;
const PATIENCE_MS = 600_000;

type Line = Recorded extends infer Each ? (Each extends unknown ? Omit<Each, 't'> : never) : never;

/** One workflow on a real ComfyUI: what its socket said and what REST answered, as lines that `replay` reads. Errors where the socket cannot be opened. */
export function recorded({
  url,
  workflow,
  clientId = randomUUID(),
  promptId = randomUUID(),
  patienceMs = PATIENCE_MS,
}: RecordOptions): Observable<Recorded> {
  const startedAt = performance.now();
  const get = (path: string): Observable<Line> => exchange(url, 'GET', path);
  const body = { prompt: JSON.parse(workflow) as unknown, client_id: clientId, prompt_id: promptId };
  return socket(url, clientId, (line$) => {
    const posted$ = exchange(url, 'POST', '/prompt', body).pipe(share());
    const isRefused$ = posted$.pipe(filter((line) => 'http' in line && line.http.status !== 200));
    const ended$ = merge(line$.pipe(filter(isEnd)), isRefused$).pipe(take(1), delay(WRITTEN_MS));
    // An old server runs it under an id of its own.
    let runId = promptId;
    const noted$ = posted$.pipe(map((line) => ((runId = idIn(line) ?? runId), line)));
    const answers$ = defer(() =>
      concat(get(`/history/${runId}`), get('/queue'), get(`/api/jobs/${runId}`), get('/prompt')),
    );
    return concat(merge(line$, noted$).pipe(takeUntil(merge(ended$, timer(patienceMs)))), answers$);
  }).pipe(map((line) => ({ t: Math.round(performance.now() - startedAt), ...line })));
}

/** Opens a socket, gives what it says to `within`, and closes it when that completes. */
function socket(
  url: string,
  clientId: string,
  within: (line$: Observable<Line>) => Observable<Line>,
): Observable<Line> {
  return new Observable<Line>((subscriber) => {
    const ws = new WebSocket(`${url.replace(/^http/, 'ws')}/ws?clientId=${encodeURIComponent(clientId)}`);
    const line$ = new Observable<Line>((heard) => {
      const hear = (data: RawData, isBinary: boolean): void =>
        heard.next(
          isBinary
            ? { ws: 'a', binary: (data as Buffer).toString('base64') }
            : { ws: 'a', text: (data as Buffer).toString() },
        );
      ws.on('message', hear);
      return () => ws.off('message', hear);
    }).pipe(share());
    ws.once('error', (error) => subscriber.error(error));
    ws.once('open', () => {
      ws.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } }));
      subscriber.next({ ws: 'a', event: 'open', clientId });
      within(line$).subscribe({
        next: (line) => subscriber.next(line),
        error: (error: unknown) => subscriber.error(error),
        complete: () => ws.close(1000),
      });
    });
    ws.once('close', (code) => {
      subscriber.next({ ws: 'a', event: 'close', code });
      subscriber.complete();
    });
    return () => ws.terminate();
  });
}

const exchange = (url: string, method: 'GET' | 'POST', path: string, body?: unknown): Observable<Line> =>
  defer(() =>
    from(
      request(`${url}${path}`, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      }),
    ),
  ).pipe(
    concatMap(async ({ statusCode: status, body: answer }) => ({ status, response: jsonIn(await answer.text()) })),
    map((answered) => ({ http: { method, path, body, ...answered } })),
    catchError((error: unknown) => of({ http: { method, path, body, error: String(error) } })),
  );

/** As JSON where it is some; Python's `NaN` stays in its text. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const isEnd = (line: Line): boolean => 'text' in line && ENDS.some((type) => line.text.includes(`"type": "${type}"`));

const idIn = (line: Line): string | undefined => {
  const response = 'http' in line ? line.http.response : undefined;
  return (response as { readonly prompt_id?: string } | undefined)?.prompt_id;
};

/** Ends quietly where nobody reads any more. */
const asLines: MonoTypeOperatorFunction<Recorded> = (recorded$) => recorded$.pipe(catchError(failed));
const failed = (error: unknown): Observable<never> => {
  process.stderr.write(`could not record: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
  return EMPTY;
};

const USAGE = 'usage: record --url http://127.0.0.1:8188 --workflow workflow_api.json > steps.jsonl';

function main(): void {
  const given = commandLine(USAGE, { url: VALUE, workflow: VALUE });
  const [url, workflow] = [given.value('url') ?? wrong(USAGE), given.value('workflow') ?? wrong(USAGE)];
  defer(() => recorded({ url: url.replace(/\/+$/, ''), workflow: readFileSync(workflow, 'utf8') }))
    .pipe(asLines)
    .subscribe((line) => process.stdout.write(`${JSON.stringify(line)}\n`));
}

if (require.main === module) main();
