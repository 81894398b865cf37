import type { Attributes } from '@opentelemetry/api';
import {
  EMPTY,
  NEVER,
  catchError,
  concat,
  defer,
  endWith,
  filter,
  firstValueFrom,
  from,
  ignoreElements,
  map,
  merge,
  noop,
  takeUntil,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { PipelineClosed, UnknownJob, type Pipeline, type Preview, type ServerStatus } from '../api';
import { cancelling } from './cancelling';
import type { Choice } from '../posting/choose-server';
import { checkedQuery } from '../submit/request';
import type { Env } from '../env';
import type { Life } from './life';
import type { Pictures } from '../reads/pictures';
import type { Posting } from '../posting/posting';
import type { KeptCurves } from '../reports/kept-curves';
import type { Reads } from '../reads/reads';
import type { Sessions } from '../sessions/sessions';
import { tracedCall } from '../telemetry/spans';
import { StoreUnavailable, UnreadableState, type JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';
import { isFile, isSettled, type JobState } from '../../streams/job/job-state';
import type { Watchers } from '../../streams/maps/keyed-watchers';
import { skippingErrors } from '../../streams/operators/reporting';

export interface CallParts {
  readonly choice: Choice;
  readonly sessions: Sessions;
  readonly board: BoardView;
  readonly posting: Posting;
  readonly local: { readonly states: Watchers<JobState>; readonly previews: Watchers<Preview> };
  readonly pictures: Pictures;
  readonly store: JobStore;
  readonly writer: Pick<WriteBehind, 'waiting'>;
  readonly reads: Reads;
  readonly life: Life;
  readonly stop$: Observable<unknown>;
  readonly submit: Pipeline['submit'];
  readonly track: Pipeline['track'];
  readonly open: Pipeline['open'];
  readonly report: Pipeline['report'];
  readonly curves: Pick<KeptCurves, 'of'>;
}

/** The methods of `Pipeline`, made of the instance's parts. */
export function callsOf(parts: CallParts, env: Env): Pipeline {
  const { choice, sessions, store, reads, life, submit, track } = parts;
  const whileOpen =
    <A extends readonly unknown[], T>(call: (...given: A) => Promise<T>) =>
    async (...given: A): Promise<T> => {
      if (life.isOver()) throw new PipelineClosed('the pipeline is closed');
      return call(...given);
    };
  const readOpen = <T>(read: () => Observable<T>): Observable<T> =>
    defer(() => (life.isOver() ? throwError(() => new PipelineClosed('the pipeline is closed')) : read()));
  return {
    submit: tracedCall('jobstream.submit', typeOf, whileOpen(submit)),
    track: whileOpen(track),
    open: whileOpen(parts.open),
    report: whileOpen(parts.report),
    curves: whileOpen(parts.curves.of),
    cancel: whileOpen(cancelling(parts, env)),
    get: whileOpen((promptId, isShown) => reads.get(promptId, isShown)),
    list: whileOpen(async (query = {}) => reads.list(checkedQuery(query))),
    watch: (promptId) => readOpen(() => reads.watch(promptId).pipe(takeUntil(parts.stop$))),
    live: (onPartial) => readOpen(() => live(parts, env, onPartial)),
    states$: life.states$,
    previews: (promptId) => previews(promptId, parts, env),
    output: whileOpen(async (promptId, n, range) => {
      const state = await reads.get(promptId);
      const file = state?.outputs?.[n];
      if (file === undefined || !isFile(file)) return undefined;
      if (file.type === 'websocket') return parts.pictures.open(promptId, file);
      return choice.of(state?.serverUrl ?? '')?.view(file, range);
    }),
    upload: whileOpen(uploading(choice)),
    servers: () => choice.servers.map((server) => statusOf(server, parts)),
    storeHealthy: () => firstValueFrom(store.healthy(), { defaultValue: false }),
    recovered$: sessions.recovered$,
    close: life.close,
    closed: life.closed,
  };
}

/** Uploads a file to the server of that name or URL; else to the preferred one for `type`, or any healthy one. */
const uploading =
  (choice: Choice): Pipeline['upload'] =>
  async ({ server, type, ...file }) => {
    const anyOf = choice.servers.find(choice.isHealthy) ?? choice.servers[0];
    const at = server === undefined && type === undefined && anyOf ? anyOf : choice.asked(server, type ?? '');
    return { ...(await at.upload(file)), type: 'input', server: at.url };
  };

/** The type for the span of `submit`, which starts before the request is checked: it may be anything. */
const typeOf = (request: unknown): Attributes => {
  const type: unknown = typeof request === 'object' && request !== null ? Reflect.get(request, 'type') : undefined;
  return typeof type === 'string' ? { 'jobstream.type': type } : {};
};

/**
 * The board's previews while this instance watches the job, else those that another instance publishes; until it
 * settles.
 */
function previews(
  promptId: string,
  { board, local, store, reads, stop$ }: CallParts,
  { report }: Env,
): Observable<Preview> {
  const unended = (error: unknown): Observable<never> => {
    if (error instanceof UnknownJob) return EMPTY;
    // The store is away, or the stored value is not ours: a job that another instance watches may go on, so wait.
    if (!(error instanceof StoreUnavailable || error instanceof UnreadableState)) report('previews', error);
    return NEVER;
  };
  const isHere = (): boolean => board.job(promptId) !== undefined;
  const here$ = defer(() => local.previews.changes(promptId));
  const elsewhere$ = defer(() => store.previews(promptId)).pipe(filter(() => !isHere()));
  const over$ = defer(() => reads.watch(promptId)).pipe(ignoreElements(), catchError(unended), endWith(true));
  return concat(
    defer(() => (isHere() ? here$ : EMPTY)),
    merge(here$, elsewhere$).pipe(takeUntil(over$)),
  ).pipe(takeUntil(stop$));
}

/**
 * This instance's jobs as they are now, then other instances' as they are stored; only the first if the store is away
 * (R12).
 */
function live({ board, writer, store }: CallParts, { report }: Env, onPartial?: () => void): Observable<JobState> {
  const here = [...board.jobs.values()].map(({ state }) => state);
  const ids = new Set(here.map(({ promptId }) => promptId));
  const elsewhere$ = store
    .live((promptId) => ids.has(promptId))
    .pipe(tap({ error: onPartial ?? noop }), skippingErrors('store', report));
  return concat(from(here), elsewhere$).pipe(
    map((state) => board.job(state.promptId)?.state ?? writer.waiting(state.promptId) ?? state),
    // The store may still list as live a job that has ended here: a full Redis refused the write of its end.
    filter((state) => !isSettled(state)),
  );
}

function statusOf(server: Choice['servers'][number], { board, sessions, choice }: CallParts): ServerStatus {
  const { url, name } = server;
  const open = board.session(sessions.own(url))?.open === true;
  const queueRemaining = board.queueRemaining(url);
  return {
    url,
    name,
    healthy: choice.isHealthy(server),
    via: open ? 'websocket' : 'polling',
    ...(queueRemaining !== undefined && { queueRemaining }),
  };
}
