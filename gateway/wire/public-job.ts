import {
  isFile,
  type CurrentNode,
  type Failure,
  type JobOutput,
  type JobState,
  type NodeError,
} from '../../streams/job/job-state';
import { REPORTED_NAME, REPORTED_URL, type Reporting } from '../../streams/reports/job-report';
import { remember } from '../../streams/maps/remember';
import { redact } from '../../streams/redact';

/** A job as it is sent to callers: to users without `serverUrl`. */
export type PublicJob = Omit<JobState, 'clientId' | 'session' | 'retry' | 'serverUrl' | 'pictures'> & {
  /** The server's name. */
  readonly server: string;
  /** The server's URL, without credentials; to services only, because whoever has it can often use the server. */
  readonly serverUrl?: string;
};

/** A server's URL, and the name that users see in its place. */
export interface KnownServer {
  readonly url: string;
  readonly name: string;
}

/**
 * Shown as the server's name where another instance runs the job on a server that is not in this instance's settings.
 */
const ELSEWHERE = 'another server';

type Draft = { -readonly [Field in keyof PublicJob]: PublicJob[Field] };

/**
 * The state that may be sent to a browser (R13): only the fields named here, whatever the store holds. Ids of sessions
 * are left out, because whoever opens a socket under one takes its jobs' frames away; texts lose paths and secrets.
 * Fields are set one by one: a field that is added to a spread object costs V8 as much as all the others, in each state
 * that is sent.
 */
export function publicJob(state: JobState, servers: readonly KnownServer[], role: 'user' | 'service'): PublicJob {
  const { promptId, type, userId, status, progress, startedAt, serverUrl, phase, updatedAt, via } = state;
  const { attempt, epoch, seq, characterId, executionStartedAt, queuePosition, node, stage, message, metrics } = state;
  const { reported, silentSince, deadlineAt, cancelAskedAt, runId, etaMs, finishedAt, metadata } = state;
  const server = serverName(serverUrl, servers);
  const job: Draft = {
    promptId,
    type,
    userId,
    status,
    progress,
    startedAt,
    phase,
    updatedAt,
    via,
    attempt,
    epoch,
    seq,
    server,
  };
  const told = (text: string): string => redact(role === 'service' ? text : namesOnly(text, servers));
  if (role === 'service') job.serverUrl = shownUrl(serverUrl);
  if (characterId !== undefined) job.characterId = characterId;
  if (executionStartedAt !== undefined) job.executionStartedAt = executionStartedAt;
  if (queuePosition !== undefined) job.queuePosition = queuePosition;
  if (node !== undefined) job.node = publicNode(node);
  if (stage !== undefined) job.stage = told(stage);
  if (message !== undefined) job.message = told(message);
  if (metrics !== undefined) job.metrics = metrics;
  if (reported !== undefined) job.reported = publicReporting(reported);
  if (silentSince !== undefined) job.silentSince = silentSince;
  if (deadlineAt !== undefined) job.deadlineAt = deadlineAt;
  if (cancelAskedAt !== undefined) job.cancelAskedAt = cancelAskedAt;
  if (runId !== undefined) job.runId = runId;
  if (etaMs !== undefined) job.etaMs = etaMs;
  if (finishedAt !== undefined) job.finishedAt = finishedAt;
  addEnd(job, state, told);
  if (metadata !== undefined) job.metadata = metadata;
  return job;
}

/** Adds the outputs, the failure and ComfyUI's complaints. */
function addEnd(job: Draft, { outputs, failure, nodeErrors }: JobState, told: (text: string) => string): void {
  if (outputs !== undefined) job.outputs = outputs.map(publicOutput);
  if (failure !== undefined) job.failure = publicFailure(failure, told);
  if (nodeErrors !== undefined) job.nodeErrors = nodeErrors.map((error) => publicNodeError(error, told));
}

const serverName = (serverUrl: string, servers: readonly KnownServer[]): string =>
  serverUrl === REPORTED_URL ? REPORTED_NAME : (servers.find(({ url }) => url === serverUrl)?.name ?? ELSEWHERE);

const publicReporting = ({ steps, silentMs, count, heardAt, first }: Reporting): Reporting => ({
  ...(steps !== undefined && { steps }),
  silentMs,
  count,
  heardAt,
  ...(first && { first: { value: first.value, at: first.at } }),
});

const publicNode = ({ id, type, title, value, max }: CurrentNode): CurrentNode => ({
  id,
  type,
  ...(title !== undefined && { title }),
  value,
  max,
});

/**
 * An output's text, and the URL of a reported one, are sent as they are; a file's absolute path is cut to its last
 * name.
 */
function publicOutput(output: JobOutput): JobOutput {
  if (!isFile(output)) return { nodeId: output.nodeId, kind: output.kind, text: output.text };
  const { nodeId, kind, filename, subfolder, type, url } = output;
  const file = { nodeId, kind, filename: relative(filename), subfolder: relative(subfolder), type };
  return url === undefined ? file : { ...file, url };
}

const publicFailure = (
  { kind, message, nodeId, nodeType, retryable }: Failure,
  told: (text: string) => string,
): Failure => ({
  kind,
  message: told(message),
  ...(nodeId !== undefined && { nodeId }),
  ...(nodeType !== undefined && { nodeType }),
  retryable,
});

const publicNodeError = (
  { nodeId, nodeType, input, message }: NodeError,
  told: (text: string) => string,
): NodeError => ({
  nodeId,
  ...(nodeType !== undefined && { nodeType }),
  ...(input !== undefined && { input }),
  message: told(message),
});

/** The last name of an absolute path, of Windows or Unix; a relative path as it is. */
const relative = (path: string): string =>
  /^(?:[a-z]:|~?[\\/])/i.test(path)
    ? (path
        .split(/[\\/]+/)
        .filter((name) => name !== '')
        .at(-1)
        ?.replace(/^[a-z]:$/i, '') ?? '')
    : path;

/** The text with each server's URL and host replaced by its name. */
const namesOnly = (text: string, servers: readonly KnownServer[]): string =>
  servers.reduce((told, { url, name }) => told.replaceAll(url, name).replaceAll(new URL(url).host, name), text);

/** URLs without credentials, of the newest 100 servers: parsing one costs as much as all the rest of a state. */
const shownUrls = new Map<string, string>();
const MOST_URLS = 100;

function shownUrl(url: string): string {
  const known = shownUrls.get(url);
  if (known !== undefined) return known;
  const shown = withoutSecrets(url);
  remember(shownUrls, url, shown, MOST_URLS);
  return shown;
}

const withoutSecrets = (url: string): string => {
  if (url === REPORTED_URL) return url;
  if (!URL.canParse(url)) return '';
  const { origin, pathname } = new URL(url);
  return pathname === '/' ? origin : origin + pathname;
};
