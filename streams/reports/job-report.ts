/**
 * A report of a job by the program that runs it. `value` and `max` come together or not at all; `outputs` or a
 * `failure` ends the job.
 */
export interface JobReport {
  /**
   * From 1, greater with each report: a report with a `count` no greater than the last changes nothing. Milliseconds
   * since 1970 go on growing when the program restarts.
   */
  readonly count: number;
  /** The progress of the whole run: `value` of `max` steps. */
  readonly value?: number;
  readonly max?: number;
  /** What the program is doing, in a word or two: `caching latents`. */
  readonly stage?: string;
  /** A line of text for people who watch the job. */
  readonly message?: string;
  /** Numbers by name, such as `loss`; absent ones stay as they were. */
  readonly metrics?: Metrics;
  /** The names or http(s) URLs of what the job made: it is completed. */
  readonly outputs?: readonly string[];
  /** Why the job failed: it is over. */
  readonly failure?: ReportedFailure;
}

/** Finite numbers by name. */
export type Metrics = Readonly<Record<string, number>>;

/** The kinds of failure that a program may report; `node_error` by default. */
export const reportedKinds = ['node_error', 'out_of_memory', 'interrupted', 'missing_output'] as const;

/** Why a reported job failed, in its program's words. */
export interface ReportedFailure {
  readonly message: string;
  readonly kind?: (typeof reportedKinds)[number];
  /** Whether the same job may succeed another time; false by default. */
  readonly retryable?: boolean;
}

/** What a reported job's state holds about its reports. */
export interface Reporting {
  /** The number of steps that `open` was given. */
  readonly steps?: number;
  /** The job fails after this long without a report, ms. */
  readonly silentMs: number;
  /** The `count` of the last report taken; 0 before the first. */
  readonly count: number;
  /** When that report came, or the job was opened; ms since 1970. */
  readonly heardAt: number;
  /** The first step reported of this run, and when: the pace is measured from there. */
  readonly first?: { readonly value: number; readonly at: number };
}

/** The `serverUrl` of reported jobs: no server has them. */
export const REPORTED_URL = 'reported:self';

/** The server's name that users see for reported jobs. */
export const REPORTED_NAME = 'reported';

/** The id of the node that stands for a reported job's steps. */
export const REPORTED_NODE = 'report';

/** Whether a report ends its job. */
export const isEnd = ({ outputs, failure }: JobReport): boolean => outputs !== undefined || failure !== undefined;
