import type { Failure, JobState, NodeError } from '../../streams/job/job-state';
import { scrubbed } from './redact';

/** A job as browsers get it. */
export type PublicJob = Omit<JobState, 'clientId' | 'session' | 'runId' | 'retry'>;

/**
 * What of a state may leave for a browser (R13): the fields named here and no others, whatever a store holds. The ids of
 * sessions stay behind, because whoever has one takes its jobs' frames away; texts lose paths and secrets, the URL its
 * credentials.
 */
export const publicJob = (state: JobState): PublicJob => {
  const { promptId, type, userId, characterId, status, progress, startedAt, serverUrl, phase, queuePosition, node } =
    state;
  const {
    executionStartedAt,
    etaMs,
    updatedAt,
    finishedAt,
    via,
    outputs,
    failure,
    nodeErrors,
    attempt,
    epoch,
    seq,
    metadata,
  } = state;
  const always = { promptId, type, userId, status, progress, startedAt, phase, updatedAt, via, attempt, epoch, seq };
  return {
    ...always,
    serverUrl: withoutSecrets(serverUrl),
    ...(characterId !== undefined && { characterId }),
    ...(executionStartedAt !== undefined && { executionStartedAt }),
    ...(queuePosition !== undefined && { queuePosition }),
    ...(node && { node }),
    ...(etaMs !== undefined && { etaMs }),
    ...(finishedAt !== undefined && { finishedAt }),
    ...(outputs && { outputs }),
    ...(failure && { failure: publicFailure(failure) }),
    ...(nodeErrors && { nodeErrors: nodeErrors.map(publicNodeError) }),
    ...(metadata && { metadata }),
  };
};

const publicFailure = ({ kind, message, nodeId, nodeType, retryable }: Failure): Failure => ({
  kind,
  message: scrubbed(message),
  ...(nodeId !== undefined && { nodeId }),
  ...(nodeType !== undefined && { nodeType }),
  retryable,
});

const publicNodeError = ({ nodeId, nodeType, input, message }: NodeError): NodeError => ({
  nodeId,
  ...(nodeType !== undefined && { nodeType }),
  ...(input !== undefined && { input }),
  message: scrubbed(message),
});

const withoutSecrets = (url: string): string => {
  if (!URL.canParse(url)) return '';
  const { origin, pathname } = new URL(url);
  return pathname === '/' ? origin : origin + pathname;
};
