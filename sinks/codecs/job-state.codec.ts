import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import type {
  CurrentNode,
  Failure,
  FileOutput,
  JobOutput,
  JobState,
  NodeError,
  RetryPolicy,
  TextOutput,
} from '../../streams/job/job-state';
import { copies } from '../../streams/maps/remember';
import type { Metrics, Reporting } from '../../streams/reports/job-report';
import { jobKey, UnreadableState } from '../job-store';

type OptionalKey<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];
type Codecs<T> = { readonly [K in keyof T]-?: t.Type<Exclude<T[K], undefined>> };

/**
 * A codec of `T`, made of one codec for each field: the compiler names a field that is forgotten. Unknown fields pass
 * as they are.
 */
const record = <T>(required: Codecs<Omit<T, OptionalKey<T>>>, optional: Codecs<Pick<T, OptionalKey<T>>>): t.Type<T> =>
  // `t.partial` decodes an optional field to `T | undefined`; JSON has no `undefined`, so the field is there or absent.
  t.intersection([t.type(required as t.Props), t.partial(optional as t.Props)]) as unknown as t.Type<T>;

/** The longest unknown word that is accepted, in characters. */
const WORD_LENGTH = 40;

const isWord = (value: unknown): value is string =>
  typeof value === 'string' && /^[a-z_]+$/.test(value) && value.length <= WORD_LENGTH;

/** One of these words, or an unknown one that a newer version of this library may have stored: it is kept as it is. */
const wordOf = <K extends Readonly<Record<string, null>>>(known: K): t.KeyofC<K> => {
  const { name } = t.keyof(known);
  const validate: t.Validate<unknown, keyof K> = (value, context) =>
    isWord(value) ? t.success(value) : t.failure(value, context);
  return new t.KeyofType(name, isWord, validate, t.identity, known);
};

export const currentNode = record<CurrentNode>(
  { id: t.string, type: t.string, value: t.number, max: t.number },
  { title: t.string },
);

const fileOutput = record<FileOutput>(
  { nodeId: t.string, kind: t.string, filename: t.string, subfolder: t.string, type: t.string },
  { url: t.string },
);

const textOutput = record<TextOutput>({ nodeId: t.string, kind: t.literal('text'), text: t.string }, {});

export const jobOutput: t.Type<JobOutput> = t.union([fileOutput, textOutput]);

export const nodeError = record<NodeError>(
  { nodeId: t.string, message: t.string },
  { nodeType: t.string, input: t.string },
);

export const failure = record<Failure>(
  {
    kind: wordOf({
      rejected: null,
      node_error: null,
      out_of_memory: null,
      interrupted: null,
      cancelled: null,
      lost: null,
      unreachable: null,
      missing_output: null,
      timed_out: null,
      internal_error: null,
    }),
    message: t.string,
    retryable: t.boolean,
  },
  { nodeId: t.string, nodeType: t.string },
);

const retry = record<RetryPolicy>({ maxAttempts: t.number }, { onLost: wordOf({ resubmit: null }) });

const metrics: t.Type<Metrics> = t.record(t.string, t.number);

const reporting = record<Reporting>(
  { silentMs: t.number, count: t.number, heardAt: t.number },
  { steps: t.number, first: t.type({ value: t.number, at: t.number }) },
);

/** A job's state as it is stored. */
export const jobState = record<JobState>(
  {
    promptId: t.string,
    type: t.string,
    userId: t.string,
    status: t.keyof({ queued: null, processing: null, completed: null, failed: null }),
    progress: t.number,
    startedAt: t.number,
    serverUrl: t.string,
    phase: wordOf({ waiting: null, loading: null, running: null, finishing: null, settled: null }),
    updatedAt: t.number,
    via: wordOf({ websocket: null, polling: null, report: null }),
    attempt: t.number,
    epoch: t.number,
    seq: t.number,
  },
  {
    characterId: t.string,
    executionStartedAt: t.number,
    clientId: t.string,
    session: t.string,
    queuePosition: t.number,
    node: currentNode,
    stage: t.string,
    message: t.string,
    metrics,
    reported: reporting,
    silentSince: t.number,
    deadlineAt: t.number,
    cancelAskedAt: t.number,
    etaMs: t.number,
    finishedAt: t.number,
    outputs: t.readonlyArray(jobOutput),
    pictures: t.readonlyArray(fileOutput),
    failure,
    nodeErrors: t.readonlyArray(nodeError),
    metadata: t.UnknownRecord,
    runId: t.string,
    retry,
  },
);

/** Reads what is stored under `key`. The error names the first field that is wrong and never shows a value. */
export const decodeJobState = (key: string, json: string): E.Either<UnreadableState, JobState> =>
  pipe(
    parse(json),
    E.mapLeft(() => 'it is not JSON'),
    E.flatMap((value) => pipe(jobState.decode(value), E.mapLeft(firstComplaint))),
    E.filterOrElse(
      ({ promptId }) => jobKey(promptId) === key,
      () => 'promptId is that of another job',
    ),
    E.bimap((reason) => new UnreadableState(key, reason), withOneCopy),
  );

/** Lets equal texts of many states share one string: `JSON.parse` makes a new one for each state. */
const once = copies(5_000);

const withOneCopy = (state: JobState): JobState => ({
  ...state,
  type: once(state.type),
  userId: once(state.userId),
  serverUrl: once(state.serverUrl),
  ...(state.clientId !== undefined && { clientId: once(state.clientId) }),
  ...(state.session !== undefined && { session: once(state.session) }),
});

const firstComplaint = ([error]: t.Errors): string => {
  const path = error === undefined ? '' : pathTo(error.context);
  return path === '' ? 'it is not an object' : `${path} is missing or wrong`;
};

/**
 * The path of a field, as `outputs.0.filename`. io-ts adds a step for each part of an intersection or union, which the
 * JSON does not have.
 */
const pathTo = (context: t.Context): string =>
  context
    .filter((_, i) => i > 0 && !isOfParts(context[i - 1]))
    .map(({ key }) => key)
    .join('.');

const isOfParts = (entry: t.ContextEntry | undefined): boolean =>
  entry?.type instanceof t.IntersectionType || entry?.type instanceof t.UnionType;
