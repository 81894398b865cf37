import * as E from 'fp-ts/Either';
import { catchError, concat, concatMap, defer, EMPTY, from, map, Observable, of, reduce } from 'rxjs';
import type { MonoTypeOperatorFunction } from 'rxjs';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import type { Report } from '../../../streams/operators/reporting';
import { decodeJobState } from '../../codecs/job-state.codec';
import {
  assertStorable,
  jobKey,
  STATE_TTL_S,
  StoreUnavailable,
  UnreadableState,
  type JobStore,
  type PutOutcome,
} from '../../job-store';
import {
  bytesOfPrompt,
  KEPT_S,
  packedWorkflow,
  unpackedWorkflow,
  type StoredWorkflow,
} from '../../codecs/stored-workflow.codec';
import type { Ask } from '../connection/commands';
import { keyBeside } from '../connection/key-slot';
import type { RedisCommands, RedisNodes } from '../connection/topology';
import { isWrongType } from '../connection/wrong-type';
import type { PutAnswer } from '../scripts/jobs';
import type { RemoteListeners } from '../feed/remote-listeners';
import { feedChannel } from '../feed/redis-feed';
import type { RedisIndex } from '../listing/redis-index';
import { filesKey } from './redis-files';
import { toldOnce } from '../../codecs/told-once';

/** The key of a job's workflow, in the slot of its state. */
const workflowKey = (promptId: string): string => keyBeside(jobKey(promptId), 'workflow');

/**
 * The key of a job's fence, in the slot of its state: "epoch:seq" of the newest state, "epoch:seq:settled" once it has
 * ended; kept even if the state is written over.
 */
export const fenceKey = (promptId: string): string => keyBeside(jobKey(promptId), 'fence');

export interface RedisStatesParts {
  readonly redis: Pick<RedisCommands, 'putJobState' | 'get' | 'del'>;
  readonly values: RedisNodes['values'];
  readonly ask: Ask;
  readonly index: RedisIndex;
  readonly listeners: Pick<RemoteListeners, 'counted'>;
  readonly report: Report;
}

/** States and workflows in Redis, filed in the index. */
export class RedisStates implements Pick<JobStore, 'put' | 'get' | 'workflow' | 'workflows' | 'remove'> {
  readonly #parts: RedisStatesParts;
  readonly #tellOnce: (unreadable: UnreadableState) => void;

  constructor(parts: RedisStatesParts) {
    this.#parts = parts;
    this.#tellOnce = toldOnce('redis workflow', parts.report);
  }

  put(state: JobState, workflow?: StoredWorkflow): Observable<PutOutcome> {
    return defer(() => {
      assertStorable(state.promptId);
      if (workflow === undefined || isSettled(state)) return this.#put(state);
      return packedWorkflow(workflow).pipe(concatMap((kept) => this.#put(state, kept, bytesOfPrompt(workflow.prompt))));
    });
  }

  get(promptId: string): Observable<JobState | undefined> {
    const { redis, ask } = this.#parts;
    const key = jobKey(promptId);
    return ask(() => redis.get(key)).pipe(
      catchError((error: unknown) => {
        throw isWrongType(error) ? new UnreadableState(key, 'it is not a string') : error;
      }),
      map((json) => {
        const state = json === null ? undefined : decodeJobState(key, json);
        if (state !== undefined && E.isLeft(state)) throw state.left;
        return state?.right;
      }),
    );
  }

  workflow(promptId: string): Observable<StoredWorkflow | undefined> {
    const { redis, ask } = this.#parts;
    const key = workflowKey(promptId);
    return ask(() => redis.get(key)).pipe(
      // An error would count as an outage: whoever takes the job up would wait for its end, and all others with it
      // (R15).
      catchError((error: unknown) => {
        if (!isWrongType(error)) throw error;
        this.#tellOnce(new UnreadableState(key, 'it is not a string'));
        return of(null);
      }),
      concatMap((text) => (text === null ? of(undefined) : unpackedWorkflow(text))),
    );
  }

  workflows(promptIds: readonly string[]): Observable<ReadonlyMap<string, StoredWorkflow>> {
    const { values, ask } = this.#parts;
    return ask(() => values(promptIds.map(workflowKey))).pipe(
      concatMap((texts) => from(promptIds.map((promptId, i) => [promptId, texts[i] ?? null] as const))),
      concatMap(([promptId, text]) =>
        text === null ? EMPTY : unpackedWorkflow(text).pipe(map((workflow) => [promptId, workflow] as const)),
      ),
      reduce(
        (found, [promptId, workflow]) => (workflow === undefined ? found : found.set(promptId, workflow)),
        new Map<string, StoredWorkflow>(),
      ),
    );
  }

  remove(promptId: string): Observable<boolean> {
    const { redis, ask, index } = this.#parts;
    return this.get(promptId).pipe(
      catchError((error: unknown) => {
        if (error instanceof UnreadableState) return of(undefined);
        throw error;
      }),
      concatMap((state) => {
        const keys = [jobKey(promptId), fenceKey(promptId), workflowKey(promptId), filesKey(promptId)];
        const removed$ = ask(() => redis.del(...keys)).pipe(map((removed) => removed > 0));
        return concat(state === undefined ? EMPTY : index.forget(state), removed$);
      }),
    );
  }

  /**
   * Writes state, fence and workflow, and publishes, in one script. The index gets the job before, and moves it after;
   * while the standing of a running job stays the same, it is left alone.
   */
  #put(state: JobState, kept?: string, bytes?: number): Observable<PutOutcome> {
    const { index } = this.#parts;
    const isFiled = kept === undefined && index.isFiled(state);
    const after = (outcome: PutAnswer[0]): Observable<PutOutcome> =>
      concat(index.after(state, outcome === 'created').pipe(failing({ maybeDone: true })), of<PutOutcome>('stored'));
    // One observable, not four: a thousand states are written a second, and for most nothing is to be done after.
    const put$ = new Observable<PutOutcome>((out) => {
      const told = ([outcome, count]: PutAnswer): void => {
        this.#answered(state, outcome, count);
        if (outcome === 'stale' || (isFiled && outcome === 'stored')) {
          out.next(outcome);
          out.complete();
        } else out.add(after(outcome).subscribe(out));
      };
      const error = (error: unknown): void => out.error(error);
      const next = (answer: PutAnswer): void => {
        try {
          told(answer);
        } catch (odd) {
          // An answer that no script gives ends this write, and no process (R15).
          error(odd);
        }
      };
      return this.#written(state, kept).subscribe({ next, error });
    });
    if (isFiled) return put$;
    return concat(index.before(state, bytes).pipe(failing({ maybeDone: false })), put$);
  }

  #written(state: JobState, kept = ''): Observable<PutAnswer> {
    const { redis, ask } = this.#parts;
    const { promptId, epoch, seq } = state;
    const key = jobKey(promptId);
    const keys = [key, fenceKey(promptId), feedChannel(promptId), workflowKey(promptId), filesKey(promptId)];
    const args = [JSON.stringify(state), epoch, seq, STATE_TTL_S, isSettled(state) ? 1 : 0, kept, KEPT_S];
    return ask(() => redis.putJobState(...keys, ...args));
  }

  #answered(state: JobState, outcome: PutAnswer[0], count: PutAnswer[1]): void {
    const { listeners, report } = this.#parts;
    const { promptId } = state;
    if (count >= 0) listeners.counted(promptId, isSettled(state) ? 0 : count);
    if (outcome === 'overwrote') report('redis put', new UnreadableState(jobKey(promptId), 'it was written over'));
  }
}

/** Lets a command beside the put fail as the put does: before it nothing is stored, after it the state is. */
const failing = ({ maybeDone }: Pick<StoreUnavailable, 'maybeDone'>): MonoTypeOperatorFunction<never> =>
  catchError((error: unknown) => {
    if (!(error instanceof StoreUnavailable)) throw error;
    throw new StoreUnavailable(error.message, { cause: error.cause, maybeDone });
  });
