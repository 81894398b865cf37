import {
  Subject,
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  firstValueFrom,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  of,
  share,
  takeUntil,
  tap,
  timeout,
  timer,
  type Observable,
  type ReplaySubject,
  type SchedulerLike,
} from 'rxjs';
import { PipelineClosed } from '../api';
import type { Demand } from '../demand';
import { isTransient, type Env } from '../env';
import { endStored, type EndParts } from './end-stored';
import type { LearnedDurations } from './learned-durations';
import { renewals } from './renewals';
import type { KeptCurves } from '../reports/kept-curves';
import type { Pictures } from '../reads/pictures';
import type { Posting } from '../posting/posting';
import type { RememberedKeys } from '../submit/remembered-keys';
import type { Sessions } from '../sessions/sessions';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import { reportEvent } from '../../sources/reports/reported-session';
import { SocketClosed } from '../../sources/session';
import type { Board, BoardEvent, Change, Preview } from '../../streams/board/board';
import { jobChanges } from '../../streams/changes/job-changes';
import { isSettled, type JobState } from '../../streams/job/job-state';
import { jittered, type Backoff } from '../../streams/operators/backoff';
import type { Watchers } from '../../streams/maps/keyed-watchers';
import { skippingErrors } from '../../streams/operators/reporting';

/** How long `submit` and `cancel` let their caller wait for ComfyUI, ms. */
const ANSWER_MS = 10_000;
/** How often due looks and sockets are compared with the clock. Costs no request. */
const TICK_MS = 250;
/** How long closing waits for a store that does not answer. */
const DRAIN_MS = 5_000;

export interface LifeParts extends EndParts {
  readonly servers: readonly ComfyUIServer[];
  readonly sessions: Sessions;
  readonly posting: Posting;
  readonly board: Board;
  readonly local: { readonly states: Watchers<JobState>; readonly previews: Watchers<Preview> };
  readonly pictures: Pictures;
  readonly durations: LearnedDurations;
  readonly curves: KeptCurves;
  readonly keys: Pick<RememberedKeys, 'renewed' | 'ended' | 'end' | 'forget'>;
  readonly writer: WriteBehind;
  readonly store: JobStore;
  readonly closeStore: () => Observable<unknown>;
  readonly stop$: ReplaySubject<void>;
  /** Demands that do not come from the sessions: jobs to let go, as their write was refused. */
  readonly demand$: Observable<Demand>;
  readonly outage$: Observable<BoardEvent>;
}

/** A pipeline's life: the one subscription on which all jobs run, and its end. */
export interface Life {
  readonly states$: Observable<JobState>;
  /** Runs a command. Resolves at its end, or after `ANSWER_MS`, when it goes on. Rejects with `PipelineClosed`. */
  readonly run: (command$: Observable<BoardEvent>) => Promise<void>;
  readonly isOver: () => boolean;
  readonly close: () => Promise<void>;
  readonly closed: Promise<Error | undefined>;
}

export function lifeOf(parts: LifeParts, env: Env): Life {
  const { clock } = env;
  /** The only way back into the stream: callers' commands, and the next runs of jobs. */
  const call$ = new Subject<Observable<BoardEvent>>();
  const told$ = toldChanges(parts, call$, env);
  let over = false;

  // The one long-lived subscription. An error here is a bug of ours outside any job: it ends the pipeline (R15).
  const ended = new Promise<Error | undefined>((resolve) => {
    const kept$ = merge(parts.durations.kept$, parts.curves.kept$).pipe(takeUntil(parts.stop$));
    merge(told$, renewals(parts, env), kept$).subscribe({
      error: (error: unknown) => resolve(error instanceof Error ? error : new Error(String(error))),
      complete: () => resolve(undefined),
    });
  });
  const closed = ended.then(async (error) => {
    over = true;
    parts.stop$.next();
    await atEnd(parts, env);
    env.tell?.({ tag: 'closed' });
    return error;
  });

  return {
    states$: told$.pipe(
      filter((change) => change.tag === 'state'),
      map(({ state }) => state),
    ),
    closed,
    isOver: () => over,
    close: async () => {
      over = true;
      parts.stop$.next();
      await closed;
    },
    run: async (command$) => {
      if (over) throw new PipelineClosed('the pipeline is closed');
      const done = new Promise<void>((resolve) => call$.next(command$.pipe(finalize(resolve))));
      await firstValueFrom(merge(done, timer(ANSWER_MS, clock)));
    },
  };
}

/** Every change of every job here; `carryOut` has told watchers and store of it before subscribers get it. */
function toldChanges(parts: LifeParts, call$: Subject<Observable<BoardEvent>>, env: Env): Observable<Change> {
  const { clock, random, report } = env;
  const { servers, sessions, posting, board, stop$ } = parts;
  const command$ = merge(
    call$,
    merge(sessions.demand$, parts.demand$).pipe(map(fulfilled(posting, clock))),
    of(parts.outage$, posting.due$),
  );
  const policy = {
    tickMs: TICK_MS,
    clock,
    isTransient,
    reconnect: socketBackoff(random),
    look: jittered({ firstMs: 1_000, maxMs: 8_000, steadyMs: 20_000 }, random),
  };
  const sources = { servers, session$: sessions.opened$, command$, stop$ };
  return jobChanges(sources, board, policy, report).pipe(
    mergeMap((change) => endStored(change, parts, clock)),
    tap((change) => carryOut(change, parts, call$, env)),
    share(),
  );
}

/** Tells watchers, the store and other instances of a change, or starts a job's next run. */
function carryOut(change: Change, parts: LifeParts, call$: Subject<Observable<BoardEvent>>, { tell }: Env): void {
  const { local, writer, store, durations, curves, keys, pictures, board, posting } = parts;
  switch (change.tag) {
    case 'state':
      tell?.(change);
      local.states.tell(change.state.promptId, change.state);
      if (isSettled(change.state)) {
        local.previews.release(change.state.promptId);
        keys.end(change.state.promptId);
      } else writer.put(change.state);
      store.announce(change.state);
      curves.take(change.state);
      break;
    case 'measured':
      durations.learn(change);
      break;
    case 'pictured':
      pictures.keep(change.picture);
      break;
    case 'preview':
      local.previews.tell(change.preview.promptId, change.preview);
      store.show(change.preview, board.job(change.preview.promptId)?.state.epoch ?? 0);
      break;
    case 'released':
      tell?.(change);
      local.states.release(change.promptId);
      local.previews.release(change.promptId);
      curves.forget(change.promptId);
      keys.forget(change.promptId);
      break;
    case 'runAgain':
      tell?.(change);
      call$.next(posting.again(change.promptId, change.failure));
      break;
  }
}

/** The events by which a demand is done. */
const fulfilled =
  (posting: Pick<Posting, 'takenUp' | 'stop'>, clock: SchedulerLike) =>
  (demand: Demand): Observable<BoardEvent> => {
    switch (demand.tag) {
      case 'takeUp':
        return posting.takenUp(demand.job);
      case 'cancel':
        return posting.stop(demand.promptId);
      case 'report':
        return of(reportEvent(demand.promptId, demand.report, clock.now()));
      case 'evicted':
        return of({ tag: 'evicted', clientId: demand.clientId, at: clock.now() });
      case 'letGo':
        return of({ tag: 'released', promptId: demand.promptId });
    }
  };

/** Ends all watching, writes what is unwritten, gives the sessions back, closes store and servers. Never rejects. */
async function atEnd(parts: LifeParts, { report }: Env): Promise<void> {
  const { servers, sessions, local, pictures, durations, curves, writer, closeStore } = parts;
  const quietly = skippingErrors('closing', report);
  local.states.close();
  local.previews.close();
  const released$ = sessions.release().pipe(timeout(DRAIN_MS));
  const shut$ = defer(() => (writer.close(), pictures.close(), closeStore()));
  const drained$ = merge(
    quietly(concat(writer.drain(DRAIN_MS), curves.flush().pipe(timeout(DRAIN_MS)))),
    quietly(durations.flush().pipe(timeout(DRAIN_MS))),
    quietly(pictures.drained$.pipe(timeout({ first: DRAIN_MS, with: () => EMPTY }))),
  );
  await lastValueFrom(concat(drained$, quietly(released$), quietly(shut$)), {
    defaultValue: undefined,
  });
  await Promise.all(servers.map((server) => server.close())).catch((error: unknown) => report('closing', error));
}

/** The wait before a socket is opened again: none if this instance closed it, else 0.5–30 s. */
function socketBackoff(random: () => number): Backoff {
  const backoff = jittered({ firstMs: 500, maxMs: 30_000, steadyMs: 10_000 }, random);
  return {
    ...backoff,
    delayMs: (n, error) => (error instanceof SocketClosed && error.requested ? 0 : backoff.delayMs(n)),
  };
}
