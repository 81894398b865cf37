/** What the program that runs a job tells of it. Of progress, both `value` and `max` or neither; with `outputs` or a `failure` the job ends. */
export interface JobReport {
  /** Grows with each report, from 1 on: one that is no greater than the last changes nothing. Milliseconds since 1970 grow over restarts too. */
  readonly count: number;
  /** How far the whole run is: `value` of `max` steps. */
  readonly value?: number;
  readonly max?: number;
  /** What it is doing, in a word or two: `caching latents`. */
  readonly stage?: string;
  /** A line for whoever watches. */
  readonly message?: string;
  /** Figures by name, such as `loss`; those that are absent stay as they were. */
  readonly metrics?: Metrics;
  /** What it made, each by its name or its http(s) URL: it has ended well. */
  readonly outputs?: readonly string[];
  /** Why it failed. */
  readonly failure?: ReportedFailure;
}

/** Finite numbers by name. */
export type Metrics = Readonly<Record<string, number>>;

/** The ends that a program may tell of itself; `node_error` where it does not say. */
export const reportedKinds = ['node_error', 'out_of_memory', 'interrupted', 'missing_output'] as const;

/** Why a job that reports itself has failed, in its own words. */
export interface ReportedFailure {
  readonly message: string;
  readonly kind?: (typeof reportedKinds)[number];
  /** Whether it may well succeed another time; no where absent. */
  readonly retryable?: boolean;
}

/** How a job that reports itself is heard of. */
export interface Reporting {
  /** The steps that were declared when it was opened. */
  readonly steps?: number;
  /** It has failed once nothing was heard for so long. */
  readonly silentMs: number;
  /** Of the last report that was taken; 0 before the first. */
  readonly count: number;
  /** When that came, or the job was opened; ms since 1970. */
  readonly heardAt: number;
  /** The first step that was told of this run, and when: from there the pace is measured. */
  readonly first?: { readonly value: number; readonly at: number };
}

/** The `serverUrl` of jobs that report themselves: no server has them. */
export const REPORTED_URL = 'reported:self';

/** How they are named to users in place of a server. */
export const REPORTED_NAME = 'reported';

/** The node under which their steps are told. */
export const REPORTED_NODE = 'report';

/** Whether a report ends its job. */
export const isEnd = ({ outputs, failure }: JobReport): boolean => outputs !== undefined || failure !== undefined;
